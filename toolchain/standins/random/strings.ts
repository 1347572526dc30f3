import { randomInt } from "node:crypto";

/** What a random text is made of. Counts are characters. */
export interface TextShape {
  readonly length: number;
  readonly upper: boolean;
  readonly lower: boolean;
  readonly numeric: boolean;
  readonly special: boolean;
  readonly minUpper: number;
  readonly minLower: number;
  readonly minNumeric: number;
  readonly minSpecial: number;
  /** Characters in the place of the default special ones; "" keeps those. */
  readonly overrideSpecial: string;
}

const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
/** The official plugin's special characters. */
const SPECIAL = "!@#$%&*()-_=+[]{}<>:?";

/**
 * A random text: the minimum of every kind, the rest from all chosen kinds, in random order. Every draw and the order come from the operating system's
 * generator without modulo bias (`crypto.randomInt`).
 */
export function randomText(shape: TextShape): string {
  const special = Array.from(shape.overrideSpecial === "" ? SPECIAL : shape.overrideSpecial);
  const kinds = [
    { chosen: shape.upper, least: shape.minUpper, characters: Array.from(UPPER) },
    { chosen: shape.lower, least: shape.minLower, characters: Array.from(LOWER) },
    { chosen: shape.numeric, least: shape.minNumeric, characters: Array.from(DIGITS) },
    { chosen: shape.special, least: shape.minSpecial, characters: special },
  ];
  const all = kinds.filter(({ chosen }) => chosen).flatMap(({ characters }) => characters);
  if (all.length === 0) throw new Error("the character set specified is empty");
  const drawn = kinds.flatMap(({ least, characters }) => draw(characters, least));
  return shuffled([...drawn, ...draw(all, shape.length - drawn.length)]).join("");
}

function draw(characters: readonly string[], count: number): string[] {
  return Array.from({ length: count }, () => pick(characters));
}

function pick<T>(items: readonly T[]): T {
  const item = items[randomInt(items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** The items in random order, every order equally likely (Fisher and Yates). */
export function shuffled<T>(items: readonly T[]): T[] {
  const left = [...items];
  return items.map(() => left.splice(randomInt(left.length), 1)).flat();
}
