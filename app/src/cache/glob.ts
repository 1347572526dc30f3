/** Whether a text fits a pattern in which `*` stands for any characters and `?` for one; `\` takes the meaning from either. Linear in both lengths but for repeated stars. */
export function matchesGlob(glob: string, text: string): boolean {
  const tokens = [...glob.matchAll(/\\?[\s\S]/g)].map(([token]) => token);
  let at = 0;
  let position = 0;
  // Where to go on when what follows the last star does not fit.
  let star = -1;
  let resume = 0;
  while (position < text.length) {
    const token = tokens[at];
    if (token === "*") {
      star = at++;
      resume = position;
    } else if (token !== undefined && (token === "?" || token.at(-1) === text[position])) {
      at++;
      position++;
    } else if (star >= 0) {
      at = star + 1;
      position = ++resume;
    } else return false;
  }
  while (tokens[at] === "*") at++;
  return at === tokens.length;
}
