/** A value that only exists once other resources do. There is one of it; a preview is full of it. */
export const UNKNOWN: unique symbol = Symbol("not known yet");

/** Something with inputs: a resource, or a part of one that {@link items} cut out. */
export interface Section {
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Where the part is in its resource, e.g. `rules[0].`; a resource has none. */
  readonly at?: string;
}

/** A resource as rules and proofs see it, whether mocks, the engine or a test made it. Secrets are unwrapped. */
export interface Resource extends Section {
  /** Type token, e.g. `aws:rds/instance:Instance`. */
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  /** URN of the parent; empty for the stack's own children. */
  readonly parent: string;
  /** What is known of its outputs (`id`, `arn`, …): what other resources' inputs are compared with to find references. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** URN of every resource it depends on. */
  readonly dependencies: readonly string[];
  /** Input → URNs of the resources that its value is made of; answers where the value itself is not known yet. */
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly protect: boolean;
  readonly ignoreChanges: readonly string[];
}

/** Thrown where a rule needs a value that is not known yet: the rule is then counted as not judged, neither broken nor kept. */
export class NotKnown extends Error {
  constructor(readonly property: string) {
    super(`${property} is not known yet`);
    this.name = "NotKnown";
  }
}

/** Outputs by which other resources refer to one. Others, such as a port, are the same for many and would lead anywhere. */
const IDENTIFYING = [
  "id",
  "arn",
  "name",
  "arnSuffix",
  "url",
  "bucket",
  "domainName",
  "bucketRegionalDomainName",
  "dnsName",
  "endpoint",
  "identifier",
  "replicationGroupId",
];

/** The resources of a stack, and what leads from one to another. */
export class Graph {
  readonly resources: readonly Resource[];
  readonly #byUrn: ReadonlyMap<string, Resource>;
  readonly #byType = new Map<string, Resource[]>();
  readonly #byValue = new Map<string, Set<Resource>>();

  constructor(resources: readonly Resource[]) {
    this.resources = resources;
    this.#byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
    for (const resource of resources) {
      const same = this.#byType.get(resource.type);
      if (same === undefined) this.#byType.set(resource.type, [resource]);
      else same.push(resource);
      for (const key of IDENTIFYING) {
        const known = resource.outputs[key];
        if (typeof known !== "string" || known === "") continue;
        const named = this.#byValue.get(known) ?? new Set();
        this.#byValue.set(known, named.add(resource));
      }
    }
  }

  /** Every resource of one of the types, by type. */
  ofType(...types: readonly string[]): Resource[] {
    return types.flatMap((type) => this.#byType.get(type) ?? []);
  }

  /** The resource of a URN; undefined for one that is not in the graph. */
  get(urn: string): Resource | undefined {
    return this.#byUrn.get(urn);
  }

  /** The resources that have this very text as their id, ARN or name. */
  withValue(text: string): Resource[] {
    return [...(this.#byValue.get(text) ?? [])];
  }

  /**
   * The resources that an input leads to. Known texts are compared with ids, ARNs and names; for values that are not known yet, what the engine says
   * the input depends on counts.
   * @param types only these; an input may be made of more than what it names
   * @throws NotKnown when the value is not known and nothing is said about what it depends on
   */
  targets(from: Resource, path: string, ...types: readonly string[]): Resource[] {
    const found = new Set<Resource>();
    const texts = textsIn(valueOrUnknown(from, path));
    for (const text of texts.known) for (const target of this.#byValue.get(text) ?? []) found.add(target);
    if (texts.unknown) {
      const urns = from.propertyDependencies[keysOf(path)[0] ?? path];
      if (urns === undefined || urns.length === 0) throw new NotKnown(path);
      for (const urn of urns) {
        const target = this.get(urn);
        if (target !== undefined) found.add(target);
      }
    }
    return types.length === 0 ? [...found] : [...found].filter(({ type }) => types.includes(type));
  }

  /** The resources of the types whose input leads to `to`. @throws NotKnown when that cannot be told of one of them */
  referrers(to: Resource, path: string, ...types: readonly string[]): Resource[] {
    return this.ofType(...types).filter((from) => this.targets(from, path).includes(to));
  }
}

/** Keys of a path by the path: rules ask for the same few hundred over and over. */
const parsed = new Map<string, readonly string[]>();

function keysOf(path: string): readonly string[] {
  const keys = parsed.get(path) ?? path.split(/[.[\]]+/).filter((part) => part !== "");
  parsed.set(path, keys);
  return keys;
}

/** The value at a path such as `a.b[0].c`: undefined where there is none, UNKNOWN where it, or what it is in, is not known yet. */
export function valueOrUnknown({ inputs }: Section, path: string): unknown {
  let value: unknown = inputs;
  for (const key of keysOf(path)) {
    if (value === UNKNOWN) return UNKNOWN;
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value ?? undefined;
}

/** Every text in a value, and whether there is something in it that is not known yet. */
function textsIn(value: unknown, found: Texts = { known: [], unknown: false }): Texts {
  if (value === UNKNOWN) found.unknown = true;
  else if (typeof value === "string") found.known.push(value);
  else if (value !== null && typeof value === "object") for (const part of Object.values(value)) textsIn(part, found);
  return found;
}

interface Texts {
  readonly known: string[];
  unknown: boolean;
}
