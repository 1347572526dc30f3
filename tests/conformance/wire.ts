import { SIGNATURE_KEY } from "../../toolchain/standins/shared/values";

/** The signature of a secret in Pulumi's wire protocol. */
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** A value of the wire without its secret marks, at any depth. */
export function revealWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealWire);
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (object[SIGNATURE_KEY] === SECRET_SIGNATURE) return revealWire(object["value"]);
  return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, revealWire(item)]));
}
