import assert from "node:assert/strict";
import { createContext } from "../../../app/src/observability/context";
import { createLogger, rawLines } from "../../../app/src/observability/logger";
import { TestApp } from "./support";

const CONFIG = { logLevel: "info", appName: "app", appVersion: "1.2.3" } as const;

describe("request log", () => {
  it("writes by hand what pino would have written", () => {
    const lines: string[] = [];
    const logger = createLogger(CONFIG, { worker: 2, note: 'with "quotes"' }, { write: (line) => lines.push(line) });
    const write = rawLines(logger);
    for (const level of ["info", "warn", "error"] as const) {
      logger[level]({ path: '/a"b\\c\u2028', status: 200 }, "request");
      write(level, `,"path":${JSON.stringify('/a"b\\c\u2028')},"status":200`, "request");
      const [pinos = "", ours = ""] = lines.splice(0).map((line) => line.replace(/"time":"[^"]+"/, '"time":"then"'));
      assert.equal(ours, pinos);
      assert.deepEqual(Object.keys(JSON.parse(ours) as object), Object.keys(JSON.parse(pinos) as object));
    }
  });

  it("obeys the level, also one that is changed later", () => {
    const lines: string[] = [];
    const logger = createLogger({ ...CONFIG, logLevel: "warn" }, {}, { write: (line) => lines.push(line) });
    const write = rawLines(logger);
    write("info", "", "hidden");
    write("error", "", "shown");
    logger.level = "info";
    write("info", "", "now shown");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
      ["shown", "now shown"],
    );
  });

  it("gives each line the time it was written at", async () => {
    const times: string[] = [];
    const logger = createLogger(CONFIG, {}, { write: (line) => times.push((JSON.parse(line) as { time: string }).time) });
    const before = Date.now();
    logger.info("first");
    while (Date.now() - before < 3) await new Promise((resolve) => setImmediate(resolve));
    logger.info("second");
    const [first = "", second = ""] = times;
    assert.ok(Date.parse(first) >= before && Date.parse(second) > Date.parse(first), `${first}, ${second}`);
    assert.match(second, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("a path with everything in it that JSON escapes is one valid line", async () => {
    const app = await TestApp.start();
    try {
      await app.request("GET", `/api/%22%7B"'\\u0041?secret=1`);
      const line = app.log.find(({ msg }) => msg === "request");
      assert.match(String(line?.["path"]), /^\/api\/%22%7B/);
      assert.doesNotMatch(JSON.stringify(line), /secret/);
    } finally {
      await app.remove();
    }
  });

  it("trace ids from the pool are never handed out twice", () => {
    const contexts = Array.from({ length: 5000 }, () => createContext(undefined, undefined));
    const traces = new Set(contexts.map(({ traceId }) => traceId));
    const spans = new Set(contexts.map(({ traceparent }) => traceparent.split("-")[2]));
    assert.deepEqual([traces.size, spans.size], [5000, 5000]);
    for (const { traceId, traceparent } of contexts) {
      assert.match(traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
      assert.match(traceId, /^[0-9a-f]{32}$/);
    }
  });
});
