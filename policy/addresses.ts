/** First and last address of a range of IPv4, as numbers; undefined for what is none. */
function ends(range: string): readonly [first: number, last: number] | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(range);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = match.slice(1).map(Number);
  const size = 2 ** (32 - prefix);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = address - (address % size);
  return [first, first + size - 1];
}

/** Whether every address of a range is in the other one. Only IPv4 is: networks of a stack are connected by no other. */
export function isWithin(range: string, other: string): boolean {
  const [inner, outer] = [ends(range), ends(other)];
  return inner !== undefined && outer !== undefined && inner[0] >= outer[0] && inner[1] <= outer[1];
}
