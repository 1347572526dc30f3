/** The variable with the password of one of several databases: `DATABASE_SHARD_S2_PASSWORD` for `s2`. By itself, because stacks set what the app reads. */
export function passwordVariable(shard: string): string {
  return `DATABASE_SHARD_${shard.toUpperCase().replaceAll("-", "_")}_PASSWORD`;
}
