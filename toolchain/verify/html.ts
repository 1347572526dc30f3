import { renderLoadPart } from "../load/html";
import { page, resultTable } from "../load/page";
import { escapeText } from "../load/plot";
import { type LoadProof, rowsUnderLoad } from "./loads";
import type { Report } from "./run";

/**
 * The report of `npm run verify`: one page that needs neither program nor network. Times are UTC.
 * @param load what was found under load, where one was sent: of each profile its targets and plots
 */
export function renderVerifyHtml(report: Report, load?: LoadProof): string {
  const { stack, phase, url, startedAt, machine, seconds, passed, failed, skipped, rows } = report;
  const sentence = failed > 0 ? `${failed} of ${failed + passed} checks failed` : `all ${passed} checks passed`;
  const tried = skipped === 0 ? "" : `, ${skipped} could not be tried`;
  return page(
    `Proof of stack ${stack}, phase ${phase}`,
    `<h1>Stack ${escapeText(stack)} <small>phase ${escapeText(phase)}</small></h1>
<p class="verdict ${failed > 0 ? "fail" : "pass"}">${sentence}${tried}</p>
<p class="soft">${escapeText(url)}; ${escapeText(startedAt)}, ${seconds.toFixed(0)} s; proved from a machine with ${escapeText(machine)}.</p>
<h2>Checks <small>feature is the row of the feature list that the target is from</small></h2>
${resultTable(rows)}${load === undefined ? "" : loadParts(load)}`,
  );
}

function loadParts(load: LoadProof): string {
  const together = rowsUnderLoad(load);
  const { notSent } = load;
  return [
    ...(notSent === undefined
      ? []
      : [`<p class="verdict fail">not sent: ${escapeText(notSent.names.join(", "))} (${escapeText(notSent.reason)})</p>`]),
    ...(together.length === 0 ? [] : [`<h2>Under load <small>all targets</small></h2>\n${resultTable(together)}`]),
    ...load.loads.map(renderLoadPart),
  ]
    .map((part) => `\n${part}`)
    .join("");
}
