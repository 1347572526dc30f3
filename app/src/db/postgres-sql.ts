/** Texts kept translated. The app has a few hundred; the bound is against SQL that is built anew each time. */
const TRANSLATION_LIMIT = 2048;

const translations = new Map<string, string>();

/**
 * Writes `$1`, `$2`, … for each `?` of a statement. A question mark within a string, a quoted name, a dollar-quoted text or a comment stays
 * what it is; so the Postgres operators spelled with one are not to be had, use their functions (`jsonb_exists` for `?`).
 */
export function numberedParameters(sql: string): string {
  if (!sql.includes("?")) return sql;
  const known = translations.get(sql);
  if (known !== undefined) return known;
  if (translations.size >= TRANSLATION_LIMIT) translations.clear();
  const translated = translate(sql);
  translations.set(sql, translated);
  return translated;
}

function translate(sql: string): string {
  let result = "";
  let copied = 0;
  let count = 0;
  let at = 0;
  while (at < sql.length) {
    const end = endOfQuoted(sql, at);
    if (end > at) {
      at = end;
      continue;
    }
    if (sql[at] === "?") {
      count += 1;
      result += `${sql.slice(copied, at)}$${count}`;
      copied = at + 1;
    }
    at += 1;
  }
  return result + sql.slice(copied);
}

const WORD = /[\w$\u0080-\uffff]/;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

/** Where the string, quoted name or comment that begins at `at` ends; `at` itself when none begins there. */
function endOfQuoted(sql: string, at: number): number {
  const next = sql[at + 1];
  switch (sql[at]) {
    case "'": {
      const escapes = /[eE]/.test(sql[at - 1] ?? "") && !WORD.test(sql[at - 2] ?? "");
      return endOfQuotes(sql, at, "'", escapes);
    }
    case '"':
      return endOfQuotes(sql, at, '"', false);
    case "-":
      return next === "-" ? after(sql, "\n", at + 2) : at;
    case "/":
      return next === "*" ? endOfComment(sql, at) : at;
    case "$": {
      if (WORD.test(sql[at - 1] ?? "")) return at;
      DOLLAR_TAG.lastIndex = at;
      const tag = DOLLAR_TAG.exec(sql)?.[0];
      return tag === undefined ? at : after(sql, tag, at + tag.length);
    }
    default:
      return at;
  }
}

/** A doubled quote stands for one; with escapes so does one after a backslash. What is never closed goes to the end. */
function endOfQuotes(sql: string, start: number, quote: string, escapes: boolean): number {
  for (let at = start + 1; at < sql.length; at++) {
    if (escapes && sql[at] === "\\") at += 1;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at += 1;
    }
  }
  return sql.length;
}

/** Comments of Postgres nest, unlike those of the standard. */
function endOfComment(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    const pair = sql.slice(at, at + 2);
    if (pair === "/*") depth += 1;
    else if (pair === "*/") depth -= 1;
    else continue;
    at += 1;
    if (depth === 0) return at + 1;
  }
  return sql.length;
}

function after(sql: string, text: string, from: number): number {
  const found = sql.indexOf(text, from);
  return found === -1 ? sql.length : found + text.length;
}

/** Whether a statement only reads: what may be repeated, and be asked of a replica. A `WITH` may hide a write. */
export function isRead(sql: string): boolean {
  return /^\s*(?:SELECT|VALUES|EXPLAIN)\b/i.test(sql);
}
