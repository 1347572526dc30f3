import assert from "node:assert/strict";
import { renderVerifyHtml } from "../../../toolchain/verify/html";
import { exampleResult } from "../../support/load-result";
import { exampleReport } from "../../support/verify-report";

describe("F6 the report of npm run verify", () => {
  it("has every check with its row, target, measurement, result and duration", () => {
    const html = renderVerifyHtml(exampleReport());
    for (const text of [
      "Stack dev <small>phase database</small>",
      "http://127.0.0.1:3001; 2026-11-22T08:00:00.000Z, 4 s",
      "2 cores (a &lt;b&gt; &amp; c), 24 GB",
      "<td>A7</td><td>what A7 promises</td>",
      '<td data-head="target">&lt; 1 s &amp; &lt;all&gt;</td><td data-head="measured">p99 0.2 s</td>',
      '<td class="fail" data-head="result">fail</td><td data-head="duration">1.3 s</td>',
      '<td class="skip" data-head="result">skip</td>',
      "backups is false",
    ]) {
      assert.ok(html.includes(text), text);
    }
    assert.match(html, /class="verdict fail">1 of 2 checks failed, 1 could not be tried</);
    assert.equal(html.split("<svg").length - 1, 0);
  });

  it("says so when everything passed", () => {
    const { rows } = exampleReport();
    const html = renderVerifyHtml(exampleReport(rows.filter(({ verdict }) => verdict === "pass")));
    assert.match(html, /class="verdict pass">all 1 checks passed</);
  });

  it("has the load's targets, notes and plots on the same page", () => {
    const html = renderVerifyHtml(exampleReport(), { loads: [exampleResult()], compared: [] });
    assert.equal(html.split("<svg").length - 1, 5);
    assert.equal(html.split("<!doctype").length - 1, 1);
    assert.equal(html.split("<h1>").length - 1, 1);
    for (const text of ["Under load: b-5000-users", "2 of 5 targets missed", "a trial, no proof", "1 of 2 checks failed"]) {
      assert.ok(html.includes(text), text);
    }
  });

  it("has every load with its plots, and above them all targets in one table", () => {
    const compared = [{ id: "C9", title: "ratio", target: "≥ 2", verdict: "pass", measured: "2.4", seconds: 9 }] as const;
    const html = renderVerifyHtml(exampleReport(), { loads: [exampleResult(), { ...exampleResult(), profile: "other" }], compared });
    assert.equal(html.split("<svg").length - 1, 10);
    assert.equal(html.split("<h1>").length - 1, 1);
    for (const text of [
      "<h2>Under load <small>all targets</small></h2>",
      "<td>b-5000-users: p95 latency</td>",
      "<td>other: p95 latency</td>",
      "<td>C9</td><td>ratio</td>",
      "<h2>Under load: b-5000-users ",
      "<h2>Under load: other ",
    ]) {
      assert.equal(html.split(text).length - 1, 1, text);
    }
  });

  it("says which loads were not sent, also where none was", () => {
    const notSent = { names: ["b-5000-users", "--compare"], reason: "POST /api/auth/signup was answered 429" };
    const sentence = '<p class="verdict fail">not sent: b-5000-users, --compare (POST /api/auth/signup was answered 429)</p>';
    for (const loads of [[], [exampleResult()]]) {
      assert.ok(renderVerifyHtml(exampleReport(), { loads, compared: [], notSent }).includes(sentence), `${loads.length} were sent`);
      assert.ok(!renderVerifyHtml(exampleReport(), { loads, compared: [] }).includes("not sent"));
    }
  });

  it("needs no network: nothing in it is loaded from anywhere", () => {
    assert.ok(
      !/<(script|link|img|iframe)\b|url\(|@import|\bsrc=|href=/i.test(
        renderVerifyHtml(exampleReport(), { loads: [exampleResult()], compared: [] }),
      ),
    );
  });

  it("follows the reader's device: narrow and wide, light and dark", () => {
    const html = renderVerifyHtml(exampleReport());
    assert.match(html, /name="viewport" content="width=device-width/);
    assert.match(html, /@media \(prefers-color-scheme:dark\)/);
    assert.match(html, /@media \(max-width:/);
  });

  it("what comes from elsewhere is text in it, wherever it stands", () => {
    const attack = `"><script>alert('1')</script><img src=x>`;
    const row = { id: attack, title: attack, target: attack, measured: attack, verdict: "fail", seconds: 0 } as const;
    const report = { ...exampleReport([row]), stack: attack, phase: attack, url: attack, startedAt: attack, machine: attack };
    const html = renderVerifyHtml(report, {
      loads: [{ ...exampleResult(), profile: attack, title: attack, startedAt: attack, notes: [attack] }],
      compared: [],
      notSent: { names: [attack], reason: attack },
    });
    assert.ok(!html.includes("<script") && !html.includes("<img"));
    assert.equal(html.split("&lt;script&gt;").length - 1, 17);
  });
});
