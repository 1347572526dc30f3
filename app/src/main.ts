import { readFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";

/** Least major version of Node: the embedded database needs it. */
const LEAST_NODE = 24;

/** Exit status for a mistake on the command line or in the environment. */
const EXIT_USAGE = 2;

/** A health check that takes longer is a failed one, in milliseconds. */
const PROBE_TIMEOUT_MS = 2000;

/** Commands that ask the running instance wait this long, in milliseconds. */
const STATUS_TIMEOUT_MS = 5000;

const HELP = `Usage: node main.js [command] [--role=web|jobs|consumer|all]

Commands:
  start        run the app (default): one primary process and its workers, or a single process with WORKERS=1
  migrate      bring the database up to date as the owner of its tables, make the app's logins, and end
  seed         make companies for a load test: --companies=N [--seed=N] [--sessions]; what is there already is left alone
  move-company move a company to another of several databases while it is used: --company=ID --to=NAME [--dry-run] [--abort]
  healthcheck  exit 0 when the instance on this machine is ready for requests, else 1 with the reason
  status       print one JSON line: health and scaling of the instance on this machine
  --help       print this text

Roles (of start; default all, also as ROLE): web serves the API, jobs runs background jobs, consumer consumes events.

Settings are environment variables, see README.md. Signals to the primary: SIGTERM or SIGINT shut down without failing a request
(a second one ends at once), SIGHUP replaces all workers one after the other.
`;

/** Where the instance on this machine listens. Deliberately without the whole configuration: a health check runs every few seconds. */
function localAddress(): { readonly host: string; readonly port: number } {
  const port = Number(process.env["PORT"] || 3001);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    fail(`PORT: "${process.env["PORT"] ?? ""}" is not allowed; use a whole number from 1 to 65535.`, EXIT_USAGE);
  }
  const host = process.env["HOST"] || "0.0.0.0";
  return { host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port };
}

function fail(sentence: string, status: number): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(status);
}

/**
 * The instance's admin token, as the app itself finds it: configured, or generated and kept beside the database. Without it the status
 * lacks what only operators may see.
 */
function adminToken(): string | undefined {
  const { ADMIN_TOKEN: token, ADMIN_TOKEN_FILE: file, SQLITE_PATH: database } = process.env;
  if (token) return token;
  try {
    return readFileSync(file || path.join(path.dirname(database || "./data/app.db"), "admin-token"), "utf8").trim();
  } catch {
    // Not this user's to read: the status is asked for without it.
    return undefined;
  }
}

/** The body of one GET. Plain `node:http` starts several times faster than `fetch`. */
function get(where: string, timeoutMs: number, token?: string): Promise<{ readonly status: number; readonly body: string }> {
  const { host, port } = localAddress();
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path: where, headers, agent: false, timeout: timeoutMs }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    asked.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ECONNREFUSED" ? new Error(`nothing listens on ${host}:${port}`) : error);
    });
    asked.end();
  });
}

async function healthcheck(): Promise<void> {
  const { status, body } = await get("/ready", PROBE_TIMEOUT_MS);
  if (status !== 200) fail(`Not ready: HTTP ${status} ${body}`, 1);
}

async function status(): Promise<void> {
  const [full, scaling] = await Promise.all(["full", "scaling"].map((name) => json(`/api/health/${name}`)));
  process.stdout.write(`${JSON.stringify({ full, scaling })}\n`);
}

async function json(where: string): Promise<unknown> {
  const answer = await get(where, STATUS_TIMEOUT_MS, adminToken());
  try {
    return JSON.parse(answer.body);
  } catch {
    throw new Error(`GET ${where} answered HTTP ${answer.status} without JSON; is this port the app's?`);
  }
}

async function start(): Promise<void> {
  // Loaded here, and the serving code only by processes that serve: the other commands and the primary stay small.
  const { runApp } = await import("./lifecycle/run.js");
  await runApp({
    startWorker: async (config, lifecycle) => (await import("./worker.js")).startWorker(config, lifecycle),
    inPrimary: async () => {
      (await import("./rate-limit/cluster-store.js")).keepCountsInPrimary();
      (await import("./jobs/runner-election.js")).electRunners();
      (await import("./realtime/user-slots.js")).countConnectionsInPrimary();
      (await import("./realtime/tickets.js")).keepTicketsInPrimary();
    },
    prepare: async (config) => (await import("./container.js")).prepare(config),
  });
}

async function migrate(): Promise<void> {
  await (await import("./lifecycle/migrate.js")).runMigrations();
}

async function seed(words: readonly string[]): Promise<void> {
  await (await import("./seed/command.js")).runSeed(words);
}

async function moveCompany(words: readonly string[]): Promise<void> {
  await (await import("./db/shards/move/command.js")).runMove(words);
}

/** Commands that take no words of their own, and those that do. */
const commands: Readonly<Record<string, (() => Promise<void>) | undefined>> = { start, migrate, healthcheck, status };
const commandsWithWords: Readonly<Record<string, ((words: readonly string[]) => Promise<void>) | undefined>> = {
  seed,
  "move-company": moveCompany,
};

/** Takes `--role=NAME` or `--role NAME` out of the command line; what NAME may be is checked with the rest of the configuration. */
function withoutRole(words: readonly string[]): { readonly words: readonly string[]; readonly role: string | undefined } {
  const at = words.findIndex((word) => word === "--role" || word.startsWith("--role="));
  if (at === -1) return { words, role: undefined };
  const joined = words[at]?.startsWith("--role=") === true;
  const role = joined ? words[at]?.slice("--role=".length) : words[at + 1];
  if (role === undefined || role === "") fail("--role: needs web, jobs, consumer or all.", EXIT_USAGE);
  return { words: words.filter((_, index) => index < at || index > (joined ? at : at + 1)), role };
}

async function main(): Promise<void> {
  const { words, role } = withoutRole(process.argv.slice(2));
  // Workers inherit the environment, not the command line.
  if (role !== undefined) process.env["ROLE"] = role;
  const [name = "start", ...rest] = words;
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(HELP);
    return;
  }
  const withWords = Object.hasOwn(commandsWithWords, name) ? commandsWithWords[name] : undefined;
  const command = Object.hasOwn(commands, name) ? commands[name] : withWords && (() => withWords(rest));
  if (command === undefined)
    fail(`Unknown command "${name}"; use start, migrate, seed, move-company, healthcheck, status or --help.`, EXIT_USAGE);
  if (rest.length > 0 && withWords === undefined) fail(`Command "${name}" takes no arguments, got "${rest.join(" ")}".`, EXIT_USAGE);
  const major = Number(process.versions.node.split(".")[0]);
  if (major < LEAST_NODE) fail(`Node ${process.versions.node} is too old for the app; use Node ${LEAST_NODE} or newer.`, EXIT_USAGE);
  if (name === "start") {
    await start();
    return;
  }
  try {
    await command();
  } catch (error) {
    // Some sentences have their full stop.
    fail(`${name}: ${(error as Error).message.replace(/\.$/, "")}.`, 1);
  }
}

void main();
