/** Something that gets a part of a budget: `count` equal pieces, each within its bounds. */
export interface Share {
  /** Pieces of the same size. */
  readonly count: number;
  /** Least and most of one piece. */
  readonly least: number;
  readonly most: number;
  /** How much of what is beyond the least the pieces get together, in proportion to the others' weights. */
  readonly weight: number;
}

/** Shares by name. */
type Shares<Name extends string> = Readonly<Record<Name, Share>>;

/** What all shares need at least. */
export function leastTotal(shares: Readonly<Record<string, Share>>): number {
  return Object.values(shares).reduce((sum, { count, least }) => sum + count * least, 0);
}

/**
 * Divides a budget: everybody the least, and of the rest each in proportion to its weight, up to its most; what one has no use for goes to
 * the others. Gives the size of one piece of each, whole numbers.
 *
 * @throws RangeError when the budget is below {@link leastTotal}.
 */
export function divide<Name extends string>(budget: number, shares: Shares<Name>): Record<Name, number> {
  let rest = budget - leastTotal(shares);
  if (rest < 0) throw new RangeError(`a budget of ${budget} is less than ${leastTotal(shares)}, which is needed`);
  const names = Object.keys(shares) as Name[];
  const sizes = Object.fromEntries(names.map((name) => [name, shares[name].least])) as Record<Name, number>;
  let open = names.filter((name) => shares[name].weight > 0);
  while (open.length > 0) {
    const weights = open.reduce((sum, name) => sum + shares[name].weight, 0);
    const part = (name: Name): number => (rest * shares[name].weight) / weights;
    const room = ({ count, least, most }: Share): number => count * (most - least);
    const full = open.filter((name) => part(name) >= room(shares[name]));
    if (full.length === 0) {
      for (const name of open) sizes[name] = shares[name].least + Math.floor(part(name) / shares[name].count);
      break;
    }
    // Those who are full are given their most and taken out; then the others are divided among anew.
    for (const name of full) {
      sizes[name] = shares[name].most;
      rest -= room(shares[name]);
    }
    open = open.filter((name) => !full.includes(name));
  }
  return sizes;
}
