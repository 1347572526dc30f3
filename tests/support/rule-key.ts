/** A rule as its file has it, or as Prometheus tells it with the alerts it raises now. */
export interface NamedRule {
  readonly name: string;
  /** Those of the rule itself, not of what it is about. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What tells rules of one name apart: `ServiceDown critical etcd`. */
export function ruleKey({ name, labels: { severity, service } }: NamedRule): string {
  return [name, severity, service].filter((part) => part !== undefined).join(" ");
}
