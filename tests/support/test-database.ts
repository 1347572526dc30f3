import { startPostgres, type PostgresGroup, type PostgresUrls } from "./services/postgres";

/**
 * The database of tests that do not care which one it is: SQLite, a file each. With `PHASED_TEST_DATABASE=postgres` in the environment, or
 * below {@link onPostgres}, a database each on one Postgres server.
 */
const asked = process.env["PHASED_TEST_DATABASE"] ?? "sqlite";
if (asked !== "sqlite" && asked !== "postgres") {
  throw new Error(`PHASED_TEST_DATABASE: ${JSON.stringify(asked)} is not allowed; use sqlite or postgres.`);
}

let wanted: "sqlite" | "postgres" = asked;
let server: Promise<PostgresGroup> | undefined;

/** Which one a test runs on now, for what the app says of itself. */
export function testDatabase(): "sqlite" | "postgres" {
  return wanted;
}

/** An empty database of one's own, gone with its server at the end; `undefined` where a file of SQLite is wanted. */
export async function freshPostgres(): Promise<PostgresUrls | undefined> {
  if (wanted === "sqlite") return undefined;
  server ??= startPostgres();
  return (await server).createDatabase();
}

async function stopServer(): Promise<void> {
  const started = server;
  server = undefined;
  await (await started)?.remove();
}

// In mocha's root suite: after all tests.
if (asked === "postgres") after(stopServer);

/** Defines tests that run on Postgres, whatever the environment says. Call it inside of a `describe`. */
export function onPostgres(define: () => void): void {
  before(async function () {
    this.timeout(120_000);
    wanted = "postgres";
    server ??= startPostgres();
    await server;
  });
  define();
  after(async () => {
    wanted = asked === "postgres" ? "postgres" : "sqlite";
    if (asked !== "postgres") await stopServer();
  });
}
