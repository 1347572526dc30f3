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

/** What all shares need at least. */
export function leastTotal(shares: readonly Share[]): number {
  return shares.reduce((sum, { count, least }) => sum + count * least, 0);
}

/**
 * Divides a budget: everybody the least, and of the rest each in proportion to its weight, up to its most; what one has no use for goes to
 * the others. Sizes of one piece each, whole numbers in the order of the shares.
 *
 * @throws RangeError when the budget is below {@link leastTotal}.
 */
export function divide(budget: number, shares: readonly Share[]): number[] {
  let rest = budget - leastTotal(shares);
  if (rest < 0) throw new RangeError(`a budget of ${budget} is less than ${leastTotal(shares)}, which is needed`);
  const sizes = shares.map(({ least }) => least);
  let open = new Set(shares.keys());
  while (open.size > 0 && rest > 0) {
    const weights = [...open].reduce((sum, index) => sum + shares[index]!.weight, 0);
    if (weights === 0) break;
    // Those who are full at this division are given their most and taken out; then the others are divided among anew.
    const full = [...open].filter((index) => {
      const { count, most, least, weight } = shares[index]!;
      return (rest * weight) / weights >= count * (most - least);
    });
    for (const index of open) {
      const { count, least, weight } = shares[index]!;
      if (full.length === 0) sizes[index] = least + Math.floor((rest * weight) / weights / count);
    }
    if (full.length === 0) break;
    for (const index of full) {
      const { count, least, most } = shares[index]!;
      sizes[index] = most;
      rest -= count * (most - least);
    }
    open = new Set([...open].filter((index) => !full.includes(index)));
  }
  return sizes;
}
