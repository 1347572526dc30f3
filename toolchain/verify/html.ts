import { renderLoadPart } from "../load/html";
import { page, resultTable } from "../load/page";
import { escapeText } from "../load/plot";
import type { LoadResult } from "../load/result";
import type { Report } from "./run";

/**
 * The report of `npm run verify`: one page that needs neither program nor network. Times are UTC.
 * @param load what was found under load, where one was sent; with its plots
 */
export function renderVerifyHtml(report: Report, load?: LoadResult): string {
  const { stack, phase, url, startedAt, machine, seconds, passed, failed, skipped, rows } = report;
  const sentence = failed > 0 ? `${failed} of ${failed + passed} checks failed` : `all ${passed} checks passed`;
  const tried = skipped === 0 ? "" : `, ${skipped} could not be tried`;
  return page(
    `Proof of stack ${stack}, phase ${phase}`,
    `<h1>Stack ${escapeText(stack)} <small>phase ${escapeText(phase)}</small></h1>
<p class="verdict ${failed > 0 ? "fail" : "pass"}">${sentence}${tried}</p>
<p class="soft">${escapeText(url)}; ${escapeText(startedAt)}, ${seconds.toFixed(0)} s; proved from a machine with ${escapeText(machine)}.</p>
<h2>Checks <small>feature is the row of the feature list that the target is from</small></h2>
${resultTable(rows)}${load === undefined ? "" : `\n${renderLoadPart(load)}`}`,
  );
}
