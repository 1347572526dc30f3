import { accessOf, type Access } from "../../app/src/session/access";
import type { Answer, Ask, HttpClient } from "./http";

/** One method of one path, as the app describes itself in `/openapi.json`. */
export interface Operation {
  /** In capitals. */
  readonly method: string;
  /** With parameters in braces: `/api/orders/{id}`. */
  readonly path: string;
  /** Statuses other than refusals that it describes. */
  readonly statuses: readonly number[];
  /** By the table that the app enforces. */
  readonly access: Access;
}

interface Described {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, { readonly responses?: Readonly<Record<string, unknown>> }>>>>;
}

/** Everything the app answers. @throws Error when it does not describe itself */
export async function operationsOf(http: HttpClient): Promise<Operation[]> {
  const answer = await http.ask("/openapi.json");
  const { paths } = answer.status === 200 ? (answer.json() as Described) : {};
  if (paths === undefined) throw new Error(`GET /openapi.json answered ${answer.status} without paths`);
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([name, { responses = {} }]) => {
      const method = name.toUpperCase();
      const statuses = Object.keys(responses).map(Number).filter(Number.isInteger);
      return { method, path, statuses, access: accessOf(method, path) };
    }),
  );
}

/** An operation in words, the same for all rows: `GET /api/orders/{id}`. */
export const nameOf = ({ method, path }: Pick<Operation, "method" | "path">): string => `${method} ${path}`;

/** Why a check leaves out what operators may ask for. */
export const NO_TOKEN = "needs the admin token, which is not sent over a network in the clear";

/** Requests of one user, or of the operator. */
export type Asker = (method: string, path: string, ask?: Omit<Ask, "method">) => Promise<Answer>;

/** @param headers by which the app knows who asks; none for a stranger */
export function asker(http: HttpClient, headers: Readonly<Record<string, string>>): Asker {
  return (method, path, ask = {}) => http.ask(path, { ...ask, method, headers: { ...headers, ...ask.headers } });
}

/** Makes something and returns its id. @throws Error when it is refused */
export async function make(ask: Asker, path: string, body: unknown, more: Omit<Ask, "method" | "body"> = {}): Promise<string> {
  const answer = await ask("POST", path, { ...more, body });
  if (answer.status >= 300) throw new Error(`POST ${path} answered ${answer.status}: ${answer.text.slice(0, 160)}`);
  const made = answer.json() as { readonly id?: string; readonly document?: { readonly id?: string } };
  const id = made.id ?? made.document?.id;
  if (id === undefined) throw new Error(`POST ${path} answered without an id: ${answer.text.slice(0, 160)}`);
  return id;
}
