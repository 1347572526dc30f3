/** Nanoseconds of each unit in Go's notation of durations. */
const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Nanoseconds of a duration in Go's notation ("1m30s"), as Docker's API takes them; 0 for "". */
export function nanoseconds(text: string): number {
  let sum = 0;
  for (const [, amount = "0", unit = "ns"] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(amount) * (UNITS[unit] ?? 1);
  return Math.round(sum);
}

/** A duration as Go prints it: "1m30s", "500ms", "0s". The state keeps this form. */
export function durationText(duration: number): string {
  if (duration === 0) return "0s";
  for (const [unit, limit] of [
    ["ns", 1e3],
    ["µs", 1e6],
    ["ms", 1e9],
  ] as const) {
    if (duration < limit) return `${duration / (UNITS[unit] ?? 1)}${unit}`;
  }
  const hours = Math.floor(duration / 3600e9);
  const minutes = Math.floor((duration % 3600e9) / 60e9);
  const seconds = (duration % 60e9) / 1e9;
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${seconds}s`;
}
