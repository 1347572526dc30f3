import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { assertWritable, writeHtml } from "../../../toolchain/load/files";
import { renderHtml } from "../../../toolchain/load/html";
import { niceStep, plot } from "../../../toolchain/load/plot";
import { progressLine } from "../../../toolchain/load/progress";
import { notesOf } from "../../../toolchain/load/result";
import { assertLocal } from "../../../toolchain/load/run";
import { sampleOf } from "../../../toolchain/load/watch";
import { exampleResult } from "../../support/load-result";

describe("the report of a load", () => {
  it("F6 is one page with every target, stage and operation, and five plots", () => {
    const html = renderHtml(exampleResult());
    for (const text of [
      "B11",
      "≥ 83 req/s",
      "warm-up (not counted)",
      "stress",
      "dashboard",
      "a trial, no proof",
      "2 cores &lt;x&gt; &amp; 24 GB",
    ]) {
      assert.ok(html.includes(text), text);
    }
    assert.equal(html.split("<svg").length - 1, 5);
    assert.match(html, /class="verdict fail">2 of 5 targets missed/);
  });

  it("F6 needs no network: nothing in it is loaded from anywhere", () => {
    const html = renderHtml(exampleResult());
    assert.ok(!/<(script|link|img|iframe)\b|url\(|@import|\bsrc=|href=/i.test(html));
  });

  it("what comes from elsewhere is text in it", () => {
    const html = renderHtml({ ...exampleResult(), stack: "<script>alert(1)</script>", failures: { "<img src=x>": 1 } });
    assert.ok(!html.includes("<script>") && !html.includes("<img"));
    assert.ok(html.includes("&lt;script&gt;"));
  });

  it("is written where it is asked for, with the directory", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-load-"));
    try {
      writeHtml(path.join(directory, "deep", "report.html"), exampleResult());
      assert.throws(() => writeHtml(directory, exampleResult()), /^UserError: --report .*: cannot be written \(EISDIR/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("a place that cannot be written is refused before anything is sent, and one that can is left as it was", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-load-"));
    try {
      const [kept, made] = [path.join(directory, "kept.json"), path.join(directory, "deep", "report.html")];
      writeFileSync(kept, "figures of before");
      assertWritable({ report: made, json: kept });
      assertWritable({ report: made, json: "-" });
      assertWritable({ report: made, json: undefined });
      assert.equal(readFileSync(kept, "utf8"), "figures of before");
      assert.deepEqual(readdirSync(path.dirname(made)), []);
      assert.throws(() => assertWritable({ report: directory, json: kept }), /^UserError: --report .*: cannot be written \(EISDIR/);
      assert.throws(() => assertWritable({ report: made, json: path.join(kept, "x") }), /^UserError: --json .*: cannot be written \(E/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("plots any figures within their frame", () => {
    const point = fc.tuple(fc.double({ min: 0, max: 600, noNaN: true }), fc.double({ min: 0, max: 1e7, noNaN: true }));
    fc.assert(
      fc.property(fc.array(point, { maxLength: 50 }), (points) => {
        const series = [{ name: "one", colour: 0, points: [...points].sort(([one], [other]) => one - other) }];
        const svg = plot({ title: "t", unit: "ms", seconds: 600, series, stages: [{ name: "s", fromSeconds: 10 }] });
        assert.ok(!/NaN|Infinity|undefined/.test(svg));
        for (const [, x, y] of svg.matchAll(/(\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)(?= |")/g)) {
          assert.ok(Number(x) >= 64 && Number(x) <= 744 && Number(y) >= 39.9 && Number(y) <= 200, `${x},${y}`);
        }
      }),
    );
  });

  it("steps of axes are round", () => {
    assert.deepEqual([0, 0.3, 1, 1.1, 2.2, 26, 100, 3001].map(niceStep), [1, 0.5, 1, 2, 2.5, 50, 100, 5000]);
  });

  it("notes say what makes a figure less than it seems", () => {
    const { ownSeconds, ...plain } = exampleResult();
    assert.equal(ownSeconds, 420);
    assert.deepEqual(notesOf({ ...plain, loadAverage: [0.3, 3] }), []);
    const limits = { ownSeconds: 420, interrupted: true, lateness: { p99: 80, max: 200 }, loadAverage: [7.2, 9] as const, missedLooks: 16 };
    const notes = notesOf({ ...plain, ...limits });
    assert.deepEqual(
      notes.map((note) => note.split(":")[0]),
      [
        "the run took 84 s instead of the profile's 420 s",
        "interrupted",
        "the sender was late itself (p99 80 ms)",
        "others were at work on this machine",
        "the app told nothing in 16 of 100 looks",
      ],
    );
  });
});

describe("what is seen of a stack under load", () => {
  it("D13 the fullest pool and the furthest replica; the primary's own lag is none", () => {
    const pool = (usage: number): object => ({ usage });
    const replicas = [
      { name: "replica-1", healthy: true, primary: false, lagMs: 30, pool: pool(0.7) },
      { name: "replica-2", healthy: false, primary: true, lagMs: 900, pool: pool(0) },
    ];
    const report = { components: { database: { pool: pool(0.4), replicas }, eventLoop: { delayP99Ms: 3 } } };
    assert.deepEqual(sampleOf(report, 2), { at: 2, pool: 0.7, eventLoopMs: 3, replicaLagMs: 30 });
    const away = { name: "replica-3", healthy: false, primary: false, lagMs: null, pool: pool(0.1) };
    const withOneAway = { components: { ...report.components, database: { pool: pool(0.4), replicas: [...replicas, away] } } };
    assert.deepEqual(sampleOf(withOneAway, 2), { at: 2, pool: 0.7, eventLoopMs: 3, replicaLagMs: 30, unfitReplicas: ["replica-3"] });
    const embedded = { components: { database: { status: "ok" }, eventLoop: { delayP99Ms: 1 } } };
    assert.deepEqual(sampleOf(embedded, 1), { at: 1, eventLoopMs: 1 });
    assert.equal(sampleOf({ status: "ok" }, 1), undefined);
  });

  it("F6 a load goes to this machine only", () => {
    for (const url of ["http://127.0.0.1:3001", "https://localhost:3001", "http://[::1]:3001"]) assertLocal(url);
    assert.throws(
      () => assertLocal("http://192.0.2.7:3001"),
      /^UserError: the stack is published at http:\/\/192\.0\.2\.7:3001; a load is only sent/,
    );
  });

  it("progress is a bar on a terminal and a plain line elsewhere", () => {
    const position = { seconds: 21, of: 84, stage: "load", done: 1000, failed: 2 };
    assert.equal(progressLine(position, true), "[######------------------]  25 %  load: 21 of 84 s, 1000 requests, 2 failed");
    assert.equal(progressLine(position, false), " 25 %  load: 21 of 84 s, 1000 requests, 2 failed");
  });
});
