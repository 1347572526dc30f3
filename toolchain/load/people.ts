import type Docker from "dockerode";
import { execIn } from "../lib/docker";
import { UserError } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import type { HttpClient } from "../verify/http";
import { countOf, type Plan } from "./schedule";

const defaults = {
  /** Companies that sign up at once: each password costs the app a hash on purpose. */
  atOnce: 4,
  /** Rows that lists have from the beginning. */
  orders: 10,
  products: 5,
  /** Longest wait for the companies to be made, ms: 10,000 of them took a minute on two busy cores. */
  seedTimeoutMs: 1_200_000,
  /** Questions to one conversation; the app takes 500, and each is told the last of the conversation anyway. */
  questions: 400,
} as const;

/** A user who is logged in, with what there is to ask for. */
export interface Person {
  readonly token: string;
  readonly orders: readonly string[];
  /** Conversations, one after the other as they fill up. */
  readonly conversations: readonly string[];
}

/**
 * Signs companies up through the API, each with one user, some rows, and as many conversations as the plan has questions for.
 * @param onProgress called with the number of companies that are ready.
 * @throws UserError when the app refuses one.
 */
export async function signUpPeople(
  http: HttpClient,
  plan: Plan,
  companies: number,
  onProgress: (ready: number) => void = () => undefined,
): Promise<Person[]> {
  const questions = questionsOf(plan, companies);
  const people: Person[] = [];
  let next = 0;
  let ready = 0;
  const run = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const worker = async (): Promise<void> => {
    while (next < companies) {
      stopIfInterrupted();
      const index = next;
      next += 1;
      people[index] = await signUp(http, `${run}-${index}`, Math.ceil((questions[index] ?? 0) / defaults.questions));
      ready += 1;
      onProgress(ready);
    }
  };
  await Promise.all(Array.from({ length: Math.min(defaults.atOnce, companies) }, worker));
  return people;
}

/** Questions each company's person will ask: users beyond the companies share their people. */
function questionsOf(plan: Plan, companies: number): number[] {
  const questions = Array.from({ length: companies }, () => 0);
  for (const [user, count] of countOf(plan, "chat").entries()) questions[user % companies] = (questions[user % companies] ?? 0) + count;
  return questions;
}

async function signUp(http: HttpClient, unique: string, conversations: number): Promise<Person> {
  const body = { companyName: `Load ${unique}`, name: "Load", email: `load-${unique}@example.com`, password: `correct horse ${unique}` };
  const { token } = await make<{ token: string }>(http, "/api/auth/signup", body);
  const authorization = `Bearer ${token}`;
  const several = async (count: number, path: string, of: (n: number) => unknown): Promise<string[]> => {
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) ids.push((await make<{ id: string }>(http, path, of(n), authorization)).id);
    return ids;
  };
  await several(defaults.products, "/api/products", (n) => ({
    sku: `SKU-${n}`,
    name: `Product ${n}`,
    category: "frame",
    priceCents: 1000 + n,
    currency: "EUR",
  }));
  return {
    token,
    orders: await several(defaults.orders, "/api/orders", (n) => ({ customerName: `Customer ${n}`, totalCents: 100 * (n + 1) })),
    conversations: await several(conversations, "/api/chat/conversations", () => ({ title: "Load" })),
  };
}

async function make<Made>(http: HttpClient, path: string, body: unknown, authorization?: string): Promise<Made> {
  const answer = await http.ask(path, { method: "POST", body, headers: authorization === undefined ? {} : { authorization } });
  if (answer.status === 201) return answer.json() as Made;
  throw new UserError(
    `the load cannot begin: POST ${path} was answered ${answer.status} (${answer.text.slice(0, 160)})`,
    "npm run status tells what is not well; a load needs the app of this project, or one with the same API",
  );
}

/**
 * People of companies that the app's command `seed` makes, where they are not there yet: in a container of the stack, which has the
 * database's address and the secret that signs sessions.
 * @param onLine called with what the command says about how far it is.
 * @throws UserError when the command fails, or the image has none.
 */
export async function seedPeople(container: Docker.Container, companies: number, onLine: (line: string) => void): Promise<Person[]> {
  const command = ["node", "main.js", "seed", `--companies=${companies}`, "--sessions"];
  const { exitCode, stdout, stderr } = await execIn(container, command, defaults.seedTimeoutMs, onLine);
  if (exitCode !== 0) {
    throw new UserError(
      `the companies cannot be made: ${command.join(" ")} ended with exit code ${exitCode}: ${stderr.trim().slice(-300)}`,
      "This profile needs an app with the command seed, as this project's has it; run it again: what was made stays",
    );
  }
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => ({ ...(JSON.parse(line) as Pick<Person, "token" | "orders">), conversations: [] }));
}
