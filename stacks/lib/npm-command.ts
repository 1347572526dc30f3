/** Stack that the project's commands are about when they are not told another one. */
export const DEFAULT_STACK = "dev";

/** `npm run NAME` for a stack, for messages: `npm run down -- --stack shop`. */
export function npmCommand(stack: string, name: string, ...args: readonly string[]): string {
  const all = [...(stack === DEFAULT_STACK ? [] : ["--stack", stack]), ...args];
  return `npm run ${name}${all.length > 0 ? ` -- ${all.join(" ")}` : ""}`;
}
