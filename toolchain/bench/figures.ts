import { median } from "../lib/load";

/** Milliseconds of each round, by step. */
export interface Samples {
  readonly pulumiUp: readonly number[];
  readonly pulumiNoOp: readonly number[];
  readonly pulumiPreview: readonly number[];
  readonly pulumiDestroy: readonly number[];
  readonly composeUp: readonly number[];
  readonly composeNoOp: readonly number[];
  readonly composeDown: readonly number[];
  readonly programStart: readonly number[];
}

/** One line of the result. */
export interface Figure {
  readonly what: string;
  /** Median in seconds. */
  readonly ours: number;
  /** Median of the counterpart in seconds; absent where there is none. */
  readonly theirs?: number;
  /** Median of the rounds' own ratios: both sides of a pair saw the same machine. */
  readonly ratio?: number;
  readonly goal: string;
  readonly met: boolean | undefined;
}

/** Goals of design.md and data-plane.md. */
const GOALS = { upRatio: 1.3, noOpSeconds: 3, startSeconds: 1.5 } as const;

/** Medians, ratios and whether the goals are met. */
export function figures(samples: Samples): Figure[] {
  const up = median(ratios(samples.pulumiUp, samples.composeUp));
  const noOp = seconds(samples.pulumiNoOp);
  const start = seconds(samples.programStart);
  return [
    {
      what: "up from nothing ÷ compose up --wait",
      ours: seconds(samples.pulumiUp),
      theirs: seconds(samples.composeUp),
      ratio: up,
      goal: `≤ ${GOALS.upRatio}`,
      met: up <= GOALS.upRatio,
    },
    {
      what: "up without a change ÷ compose up --wait again",
      ours: noOp,
      theirs: seconds(samples.composeNoOp),
      ratio: median(ratios(samples.pulumiNoOp, samples.composeNoOp)),
      goal: `≤ ${GOALS.noOpSeconds} s`,
      met: noOp <= GOALS.noOpSeconds,
    },
    { what: "preview without a change", ours: seconds(samples.pulumiPreview), goal: "–", met: undefined },
    {
      what: "destroy ÷ compose down --volumes",
      ours: seconds(samples.pulumiDestroy),
      theirs: seconds(samples.composeDown),
      ratio: median(ratios(samples.pulumiDestroy, samples.composeDown)),
      goal: "–",
      met: undefined,
    },
    {
      what: "start of the program (Node, tsx, all resources declared)",
      ours: start,
      goal: `≤ ${GOALS.startSeconds} s`,
      met: start <= GOALS.startSeconds,
    },
  ];
}

function seconds(milliseconds: readonly number[]): number {
  return median(milliseconds) / 1000;
}

/** Round by round; a round that only one side finished has none. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.flatMap((one, index) => {
    const other = theirs[index];
    return other === undefined || other === 0 ? [] : [one / other];
  });
}

/** Cells of one figure, for a table. */
export function figureRow(figure: Figure): string[] {
  return [
    figure.what,
    `${figure.ours.toFixed(2)} s`,
    figure.theirs === undefined ? "–" : `${figure.theirs.toFixed(2)} s`,
    figure.ratio === undefined ? "–" : figure.ratio.toFixed(2),
    figure.goal,
    figure.met === undefined ? "–" : figure.met ? "met" : "missed",
  ];
}

export const FIGURE_HEAD = ["what", "ours", "compose", "ratio", "goal", ""];

/** Where the figures were taken. */
export interface Surroundings {
  /** YYYY-MM-DD */
  readonly date: string;
  readonly machine: string;
  readonly docker: string;
  readonly compose: string;
  readonly node: string;
  readonly pulumi: string;
  /** `stand-in` or `official`. */
  readonly plugins: string;
  readonly rounds: number;
}

/** The dated section for BENCHMARKS.md. */
export function benchmarkSection(results: readonly Figure[], samples: Samples, where: Surroundings): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const all = (values: readonly number[]): string => values.map((value) => (value / 1000).toFixed(2)).join(" ");
  return [
    `### ${where.date}, ${where.plugins} plugins`,
    "",
    `${where.machine}; Docker ${where.docker}, Compose ${where.compose}, Node ${where.node}, Pulumi ${where.pulumi}. ` +
      `${where.rounds} rounds, both sides in turn in every round, images present, medians; ratios are medians of the rounds' ratios.`,
    "",
    line(FIGURE_HEAD.slice(0, -1).concat("result")),
    line(FIGURE_HEAD.map(() => "---")),
    ...results.map((figure) => line(figureRow(figure))),
    "",
    `All rounds, seconds: up ${all(samples.pulumiUp)}; compose up ${all(samples.composeUp)}; no change ${all(samples.pulumiNoOp)}; ` +
      `preview ${all(samples.pulumiPreview)}; destroy ${all(samples.pulumiDestroy)}; compose down ${all(samples.composeDown)}; ` +
      `program start ${all(samples.programStart)}.`,
    "",
  ].join("\n");
}

/**
 * Puts a dated section under a heading of a Markdown document, newest first; one of the same title is replaced.
 * The heading is added at the end when there is none.
 */
export function insertSection(document: string, heading: string, section: string): string {
  const title = section.slice(0, section.indexOf("\n"));
  const lines = document.trimEnd().split("\n");
  let start = lines.indexOf(heading);
  if (start < 0) {
    lines.push("", heading);
    start = lines.length - 1;
  }
  const end = nextHeading(lines, start + 1, /^##? /);
  const old = lines.slice(start + 1, end).indexOf(title);
  if (old >= 0) {
    const from = start + 1 + old;
    const to = Math.min(end, nextHeading(lines, from + 1, /^#{1,3} /));
    lines.splice(from, to - from);
  }
  const firstDated = nextHeading(lines, start + 1, /^#{1,3} /);
  const before = lines.slice(0, firstDated).join("\n").trimEnd();
  const after = lines.slice(firstDated).join("\n").trim();
  return `${before}\n\n${section.trim()}\n${after === "" ? "" : `\n${after}\n`}`;
}

function nextHeading(lines: readonly string[], from: number, pattern: RegExp): number {
  const index = lines.findIndex((line, at) => at >= from && pattern.test(line));
  return index < 0 ? lines.length : index;
}
