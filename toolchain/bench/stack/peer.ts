import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Pool } from "pg";
import { PEER_WAYS } from "./peer-contract";

/** Connections of one instance of the app (DB_POOL_MAX). */
const POOL_SIZE = 20;

/** Longer than the other side's turn, so that the pool is as warm as the app's, which keeps its connections. */
const IDLE_MS = 30_000;

// The peer: what `node:http` and `pg` cost for the same request, one order with its items. No session, no limits, no company looked at,
// no log, one process. It answers at one port from the primary itself, at the other through the stack's PgBouncer.
for (const { port, urlFile } of Object.values(PEER_WAYS)) {
  const pool = new Pool({ connectionString: readFileSync(urlFile, "utf8"), max: POOL_SIZE, idleTimeoutMillis: IDLE_MS });
  pool.on("error", (error) => console.error(error.message));

  createServer((request, response) => {
    const id = (request.url ?? "").slice(1);
    Promise.all([
      pool.query({ name: "order", text: "SELECT * FROM orders WHERE id = $1", values: [id] }),
      pool.query({ name: "items", text: "SELECT * FROM order_items WHERE order_id = $1 ORDER BY position", values: [id] }),
    ]).then(
      ([{ rows: orders }, { rows: items }]) => {
        const [order] = orders as object[];
        const text = JSON.stringify({ ...order, items });
        response.writeHead(order === undefined ? 404 : 200, {
          "Content-Type": "application/json",
          "Content-Length": Buffer.byteLength(text),
        });
        response.end(text);
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  }).listen(port);
}
