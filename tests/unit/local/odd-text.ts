import fc from "fast-check";

/** Text that ends a line, a value or a quotation in one configuration format or another. */
const PIECES = [
  "\n",
  "\r",
  "\0",
  '"',
  "'",
  "#",
  ";",
  "=",
  "\\",
  "$",
  "%",
  " ",
  "\t",
  "{",
  "}",
  ":",
  ",",
  "*",
  "\u2028",
  "é",
  "a",
  "-",
  ".",
  "x1",
];

/** Odd text, now and then with a harmless name inside. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((pieces) => pieces.join("")),
  fc.tuple(fc.constantFrom("app", "db.example", "primary-1"), fc.constantFrom(...PIECES)).map(([name, piece]) => `${name}${piece}`),
  fc.tuple(fc.constantFrom(...PIECES), fc.constantFrom("app", "admin_users = *")).map(([piece, name]) => `a${piece}${name}`),
  fc.string({ maxLength: 20 }),
);

/** What a function gives, or `undefined` when it refuses with one sentence of one line; every other error is one. */
export function unlessRefused<Result>(make: () => Result): Result | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError && /^[^\r\n]+[^\s]$/.test(error.message)) return undefined;
    throw error;
  }
}
