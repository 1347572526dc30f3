import { createColors } from "picocolors";

/**
 * Colours for one stream: only on a terminal, and never with NO_COLOR or a dumb terminal. picocolors alone would colour the logs of
 * CI as well (it takes the variable CI for a terminal).
 */
export function coloursFor(stream: { readonly isTTY?: boolean }): ReturnType<typeof createColors> {
  return createColors(stream.isTTY === true && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb");
}
