import assert from "node:assert/strict";
import { renderHtml } from "../../toolchain/load/html";
import { renderVerifyHtml } from "../../toolchain/verify/html";
import { exampleResult } from "../support/load-result";
import { exampleReport } from "../support/verify-report";
import { BrowserOfTests } from "./support";

describe("the reports of npm run load and verify", function () {
  this.timeout(120_000);
  let browser: BrowserOfTests;
  before(async function () {
    browser = await BrowserOfTests.start(this);
  });
  after(() => browser?.close());

  for (const [device, width] of [
    ["a desk", 1280],
    ["a telephone", 390],
  ] as const) {
    it(`F6 shows five plots with lines in them, asks nobody for anything and fits on ${device}`, async () => {
      const { page, errors } = await browser.page({ viewport: { width, height: 900 } });
      const asked: string[] = [];
      page.on("request", (request) => void asked.push(request.url()));
      await page.setContent(renderHtml(exampleResult()));
      const seen = await page.evaluate<{ plots: number[]; lines: number; scroll: number }>(`({
        plots: [...document.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect().height),
        lines: [...document.querySelectorAll("polyline")].filter((line) => line.getTotalLength() > 100).length,
        scroll: document.documentElement.scrollWidth,
      })`);
      assert.equal(seen.plots.length, 5);
      assert.ok(
        seen.plots.every((height) => height > 80),
        String(seen.plots),
      );
      assert.equal(seen.lines, 9);
      assert.ok(seen.scroll <= width, `${seen.scroll} pixels wide`);
      assert.deepEqual([errors, asked], [[], []]);
    });

    it(`F6 shows what was proved on ${device}: every column is to be seen without scrolling`, async () => {
      const { page, errors } = await browser.page({ viewport: { width, height: 900 } });
      await page.setContent(renderVerifyHtml(exampleReport(), { loads: [exampleResult()], compared: [] }));
      const seen = await page.evaluate<{ cells: number; right: number; scroll: number }>(`({
        cells: document.querySelector("tbody").querySelectorAll("td").length,
        right: Math.max(...[...document.querySelector("tbody").querySelectorAll("td")].map((cell) => cell.getBoundingClientRect().right)),
        scroll: document.documentElement.scrollWidth,
      })`);
      assert.equal(seen.cells, 18);
      assert.ok(seen.right <= width && seen.scroll <= width, `${seen.right} and ${seen.scroll} of ${width} pixels`);
      assert.deepEqual(errors, []);
    });
  }
});
