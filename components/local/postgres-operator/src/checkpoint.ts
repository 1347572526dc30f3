import { Client } from "pg";
import { reasonOf } from "./log";
import type { Settings } from "./settings";

/** Longest wait for the connection, and for the checkpoint, ms. The server goes on with it when nobody waits any more. */
const CONNECT_MS = 2000;
const CHECKPOINT_MS = 5000;

/** Has a node write a checkpoint. @returns why it did not, or not in time */
export async function checkpoint(node: string, { postgres }: Pick<Settings, "postgres">): Promise<string | undefined> {
  const client = new Client({
    ...postgres,
    host: node,
    database: "postgres",
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CHECKPOINT_MS,
  });
  // A connection that is lost is noticed by the query under way.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("CHECKPOINT");
    return undefined;
  } catch (error) {
    return reasonOf(error);
  } finally {
    // Not waited for: the statement may still run.
    client.end().catch(() => undefined);
  }
}
