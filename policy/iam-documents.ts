import { NotKnown, UNKNOWN } from "./graph";

/** A condition of a statement, one key of one operator. */
export interface Condition {
  /** E.g. `StringEquals`. */
  readonly operator: string;
  /** E.g. `aws:SourceArn`, in the case it was written in. */
  readonly key: string;
  readonly values: readonly string[];
}

/** A statement of a policy document, with lists where IAM allows a single text. */
export interface Statement {
  readonly effect: "Allow" | "Deny";
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
  readonly resources: readonly string[];
  readonly notResources: readonly string[];
  /** Of every kind (AWS, Service, Federated) together; `*` is everybody. Empty in policies of a role. */
  readonly principals: readonly string[];
  readonly conditions: readonly Condition[];
}

/** The statements of a policy document. @throws NotKnown when a part of it is not known yet */
export function statements(document: unknown): Statement[] {
  const { Statement: written } = asObject(document);
  const list: unknown[] = Array.isArray(written) ? written : written === undefined ? [] : [written];
  return list.map((entry) => {
    const statement = asObject(entry);
    const { Principal: principal } = statement;
    return {
      effect: statement["Effect"] === "Allow" ? "Allow" : "Deny",
      actions: textsOf(statement["Action"]),
      notActions: textsOf(statement["NotAction"]),
      resources: textsOf(statement["Resource"]),
      notResources: textsOf(statement["NotResource"]),
      principals: typeof principal === "object" && principal !== null ? Object.values(principal).flatMap(textsOf) : textsOf(principal),
      conditions: Object.entries(asObject(statement["Condition"])).flatMap(([operator, keys]) =>
        Object.entries(asObject(keys)).map(([key, values]) => ({ operator, key, values: textsOf(values) })),
      ),
    };
  });
}

/** Whether a pattern of IAM (`*` any text, `?` any character) matches the whole text. @param exact also in upper and lower case */
export function matches(pattern: string, text: string, exact = true): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, "[\\s\\S]*")
    .replace(/\?/g, "[\\s\\S]");
  return new RegExp(`^${source}$`, exact ? "" : "i").test(text);
}

function asObject(value: unknown): Record<string, unknown> {
  if (value === UNKNOWN) throw new NotKnown("a policy document");
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textsOf(value: unknown): string[] {
  if (value === UNKNOWN) throw new NotKnown("a policy document");
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.flatMap(textsOf) : [typeof value === "string" ? value : JSON.stringify(value)];
}
