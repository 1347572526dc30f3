import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Pool } from "pg";
import { PEER_PORT, PEER_URL_FILE } from "./peer-contract";

// The peer: what `node:http` and `pg` cost for the same request, one order with its items, straight from the primary. No session, no
// limits, no company looked at, no log, one process.
const pool = new Pool({ connectionString: readFileSync(PEER_URL_FILE, "utf8"), max: 20 });
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
}).listen(PEER_PORT);
