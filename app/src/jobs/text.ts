/** Longest text that is kept of a document, in UTF-16 code units: about 150 pages. */
export const MOST_TEXT = 500_000;

export interface ExtractedText {
  readonly text: string;
  /** There was more. */
  readonly truncated: boolean;
}

/** The part of a text that is kept. NUL goes: it means nothing there and Postgres cannot store it. */
export function cutText(text: string): ExtractedText {
  const clean = text.replaceAll("\0", "");
  if (clean.length <= MOST_TEXT) return { text: clean, truncated: false };
  // Not in the middle of a character of two code units.
  const end = /[\uD800-\uDBFF]/.test(clean.charAt(MOST_TEXT - 1)) ? MOST_TEXT - 1 : MOST_TEXT;
  return { text: clean.slice(0, end), truncated: true };
}
