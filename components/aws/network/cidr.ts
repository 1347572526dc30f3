/** Ranges of one zone's subnets. */
export interface ZoneRanges {
  readonly public: string;
  readonly private: string;
  readonly data: string;
}

/** Zones the layout has room for. */
export const MOST_ZONES = 6;

/**
 * Ranges of the subnets of a network: for each zone a sixteenth for tasks (4,091 addresses of a /16, each task takes one), and a 256th each
 * for what is public (load balancer, NAT) and for data. Adding a zone later moves nothing.
 * @param cidr range of the network, a /16 to a /20, e.g. `10.0.0.0/16`
 * @throws Error when the range is not usable or there are more zones than fit.
 */
export function subnetLayout(cidr: string, zones: number): readonly ZoneRanges[] {
  const { start, prefix } = parseCidr(cidr);
  if (prefix < 16 || prefix > 20) throw new Error(`the network's range is ${cidr}; allowed: a /16 to a /20, e.g. 10.0.0.0/16`);
  if (zones < 1 || zones > MOST_ZONES) throw new Error(`the network has ${zones} zones; allowed: 1 to ${MOST_ZONES}`);
  const sixteenth = 2 ** (32 - prefix - 4);
  const small = sixteenth / 16;
  return Array.from({ length: zones }, (_, zone) => ({
    private: formatCidr(start + zone * sixteenth, prefix + 4),
    public: formatCidr(start + 12 * sixteenth + zone * small, prefix + 8),
    data: formatCidr(start + 13 * sixteenth + zone * small, prefix + 8),
  }));
}

/** First address, as a number, and length of the prefix. @throws Error for what is not the start of an IPv4 range. */
export function parseCidr(cidr: string): { readonly start: number; readonly prefix: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = (match ?? []).slice(1).map(Number);
  const start = ((a * 256 + b) * 256 + c) * 256 + d;
  if (Math.max(a, b, c, d) > 255 || prefix > 32 || start % 2 ** (32 - prefix) !== 0) {
    throw new Error(`${cidr} is not a range of IPv4 addresses; allowed: its first address and the length of its prefix, e.g. 10.0.0.0/16`);
  }
  return { start, prefix };
}

/** Whether an address is in both ranges: two networks that are connected must not have one. @throws Error for what is not an IPv4 range. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [parseCidr(one), parseCidr(other)];
  return a.start < b.start + 2 ** (32 - b.prefix) && b.start < a.start + 2 ** (32 - a.prefix);
}

function formatCidr(start: number, prefix: number): string {
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256);
  return `${octets.join(".")}/${prefix}`;
}
