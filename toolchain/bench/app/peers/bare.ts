import { createServer } from "node:http";
import { body, serve } from "./serve";

// Peer "bare": what Node itself costs. Everything else is measured against it.
const content = body();

serve(
  createServer((_request, response) => {
    const text = JSON.stringify(content);
    response.writeHead(200, { "Content-Type": "application/json; charset=utf-8", "Content-Length": Buffer.byteLength(text) });
    response.end(text);
  }),
);
