/** One line of a plot: points with time in seconds, ascending. */
export interface Series {
  readonly name: string;
  /** Number of the colour, 0 to 3, see the style sheet in page.ts. */
  readonly colour: number;
  readonly points: readonly (readonly [at: number, value: number])[];
}

export interface PlotOptions {
  readonly title: string;
  readonly unit: string;
  /** Length of the time axis, in seconds. */
  readonly seconds: number;
  readonly series: readonly Series[];
  /** Names of stretches of time, drawn where each begins. */
  readonly stages: readonly { readonly name: string; readonly fromSeconds: number }[];
  /** A value not to be exceeded (or fallen below), drawn across where it fits. */
  readonly limit?: number | undefined;
}

/** Of the drawing, in units of its own; the page scales it. */
const SIZE = { width: 760, height: 230, left: 64, right: 16, top: 40, bottom: 30 } as const;
const TICKS = 4;
/** What is less than this is nothing to see: the value axis then ends at 1. */
const LEAST = 0.001;

/** Text as HTML and SVG need it. */
export function escapeText(text: string): string {
  const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

/** The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `value`. */
export function niceStep(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 2.5, 5, 10].find((step) => step * power >= value * (1 - 1e-9)) ?? 10);
}

/** A plot over time as inline SVG: needs no program and no network. */
export function plot({ title, unit, seconds, series, stages, limit }: PlotOptions): string {
  const { width, height, left, right, top, bottom } = SIZE;
  const highest = Math.max(0, ...series.flatMap(({ points }) => points.map(([, value]) => value)));
  const step = niceStep((highest < LEAST ? 1 : highest) / TICKS);
  const most = step * TICKS;
  const length = Math.max(1, seconds);
  const x = (at: number): string => (left + (Math.min(at, length) / length) * (width - left - right)).toFixed(1);
  const y = (value: number): string => (height - bottom - (value / most) * (height - top - bottom)).toFixed(1);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) + (/^0*25/.test(String(step).replace(".", "")) ? 1 : 0);
  const rows = Array.from({ length: TICKS + 1 }, (_nothing, tick) => {
    const value = tick * step;
    return (
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text class="tick" x="${left - 6}" y="${y(value)}" dy="4" text-anchor="end">${value.toFixed(value === 0 ? 0 : digits)}</text>`
    );
  });
  const between = niceStep(length / 8);
  const columns = Array.from({ length: Math.floor(length / between) + 1 }, (_nothing, tick) => {
    const at = tick * between;
    return `<text class="tick" x="${x(at)}" y="${height - bottom + 18}" text-anchor="middle">${Number(at.toFixed(1))} s</text>`;
  });
  const begins = stages.map(
    ({ name, fromSeconds }) =>
      `<line class="stage" x1="${x(fromSeconds)}" x2="${x(fromSeconds)}" y1="${top - 18}" y2="${height - bottom}"/>` +
      `<text class="tick" x="${x(fromSeconds)}" dx="3" y="${top - 9}">${escapeText(name)}</text>`,
  );
  const lines = series.map(({ colour, points }) => {
    const path = points.map(([at, value]) => `${x(at)},${y(value)}`).join(" ");
    return points.length === 1
      ? `<circle class="dot c${colour}" cx="${path.split(",")[0] ?? ""}" cy="${path.split(",")[1] ?? ""}" r="2"/>`
      : `<polyline class="line c${colour}" points="${path}"/>`;
  });
  const across =
    limit === undefined || limit > most ? "" : `<line class="limit" x1="${left}" x2="${width - right}" y1="${y(limit)}" y2="${y(limit)}"/>`;
  const legend = series.map(({ name, colour }) => `<span class="key k${colour}">${escapeText(name)}</span>`).join(" ");
  const empty = series.every(({ points }) => points.length === 0)
    ? `<text class="tick" x="${width / 2}" y="${height / 2}" text-anchor="middle">no figures</text>`
    : "";
  return (
    `<figure><figcaption>${escapeText(title)} <small>${escapeText(unit)}</small> ${legend}</figcaption>` +
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">` +
    [...rows, ...columns, ...begins, across, ...lines, empty].join("") +
    "</svg></figure>"
  );
}
