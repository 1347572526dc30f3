import { readFileSync } from "node:fs";
import path from "node:path";

const RUNBOOK = path.resolve(__dirname, "../../docs/region-failover.md");

/** One operation of a JSON patch (RFC 6902), of which the runbook has one kind. */
export interface Replacement {
  readonly op: "replace";
  /** JSON pointer. */
  readonly path: string;
  readonly value: unknown;
}

/** What `docs/region-failover.md` has people hand to `kubectl patch` for an object, from between the quotes of the command. */
export function patchOf(kind: string, name: string): unknown {
  const command = new RegExp(`^k patch ${kind} ${name} [^']*--patch '([^']*)'`, "m");
  const patch = command.exec(readFileSync(RUNBOOK, "utf8"))?.[1];
  if (patch === undefined) throw new Error(`${RUNBOOK} has no patch of ${kind} ${name}`);
  return JSON.parse(patch);
}

/** The lines of the runbook that set a variable of the shell, by its name. */
export function variableOf(name: string): string {
  const value = new RegExp(`\\b${name}=([\\w-]+)`).exec(readFileSync(RUNBOOK, "utf8"))?.[1];
  if (value === undefined) throw new Error(`${RUNBOOK} sets no ${name}`);
  return value;
}
