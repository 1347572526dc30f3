// Downloads one file: `node --use-env-proxy fetch.mjs URL TARGET`. A program of its own, because only a process started with
// --use-env-proxy goes through HTTPS_PROXY, and the rest of the toolchain must not (it talks to 127.0.0.1).
// Exit codes: 0 done, 3 not reachable, 4 the server refused.
import { createWriteStream } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout, clearTimeout } from "node:timers";

/** A restricted network often drops packets silently: without an answer by then it counts as not reachable. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A transfer that stands still for this long is given up. */
const STALL_TIMEOUT_MS = 30_000;

const [url, target] = process.argv.slice(2);
const stop = new globalThis.AbortController();
let timer = setTimeout(() => stop.abort(new Error("no answer within 5 s")), ANSWER_TIMEOUT_MS);

function exit(code, message) {
  console.error(message);
  process.exit(code);
}

let response;
try {
  response = await globalThis.fetch(url, { signal: stop.signal });
} catch (error) {
  exit(3, error.cause?.message ?? error.message);
}
clearTimeout(timer);
if (!response.ok) exit(4, `HTTP status ${response.status}`);

const total = Number(response.headers.get("content-length") ?? 0);
let done = 0;
let reported = 0;
const watch = new Transform({
  transform(chunk, _encoding, next) {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error("no data for 30 s")), STALL_TIMEOUT_MS);
    done += chunk.length;
    if (done - reported > 1024 * 1024) {
      reported = done;
      console.log(`${(done / 1e6).toFixed(0)}${total > 0 ? ` of ${(total / 1e6).toFixed(0)}` : ""} MB`);
    }
    next(null, chunk);
  },
});
try {
  await pipeline(Readable.fromWeb(response.body), watch, createWriteStream(target), { signal: stop.signal });
} catch (error) {
  exit(3, `the transfer broke off: ${error.message}`);
}
clearTimeout(timer);
