import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { UNKNOWN, type Resource } from "../../policy/graph";
import type { Registered } from "./pulumi-mocks";

/** Region and account of mocked ARNs. */
export const MOCK_REGION = "eu-central-1";
export const MOCK_ACCOUNT = "123456789012";

const PACKAGE = path.resolve(__dirname, "../../node_modules/@pulumi/aws");

/** Outputs that are no texts, and without which a program under mocks would fail or look wrong. */
const STRUCTURED: Readonly<Record<string, (name: string) => Record<string, unknown>>> = {
  "aws:rds/instance:Instance": (name) => ({
    port: 5432,
    masterUserSecrets: [{ secretArn: arnOf("secretsmanager", "secret", `${name}-master`) }],
  }),
  "aws:elasticache/replicationGroup:ReplicationGroup": () => ({ port: 6379 }),
  "aws:eks/cluster:Cluster": (name) => ({
    certificateAuthority: { data: Buffer.from(`certificate of ${name}`).toString("base64") },
    identities: [{ oidcs: [{ issuer: `https://oidc.eks.${MOCK_REGION}.amazonaws.com/id/${name}` }] }],
  }),
  "aws:acm/certificate:Certificate": (name) => ({
    domainValidationOptions: [
      {
        domainName: `${name}.example.com`,
        resourceRecordName: `_a.${name}.example.com`,
        resourceRecordType: "CNAME",
        resourceRecordValue: "_b.acm-validations.aws",
      },
    ],
  }),
};

/**
 * What AWS would add to a resource's inputs: every output that is a text and was not given, as `NAME.OUTPUT`, with ids and ARNs of the usual form. Every
 * value has the resource's name in it, so that a graph can tell from a value where it came from.
 */
export function awsOutputs(type: string, name: string, inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const [, module = "", token = ""] = /^aws:([\w/]+)\/\w+:(\w+)$/.exec(type) ?? [];
  const outputs: Record<string, unknown> = {};
  for (const output of textOutputs(module, token)) {
    if (inputs[output] !== undefined) continue;
    outputs[output] =
      output === "region"
        ? MOCK_REGION
        : output === "arn"
          ? arnOf(module, token.toLowerCase(), name)
          : output === "name" || output === "identifier"
            ? `${name}-1a2b3c4`
            : `${name}.${output}`;
  }
  return { ...outputs, ...STRUCTURED[type]?.(name) };
}

/** Resources as mocks recorded them, as rules and proofs take them. @param outputs what the mocks answered; by default {@link awsOutputs} */
export function graphOf(
  registered: readonly Registered[],
  outputs: (type: string, name: string, inputs: Registered["inputs"], provider: string) => Record<string, unknown> = awsOutputs,
): Resource[] {
  return registered.map(({ type, name, urn, parent, inputs, dependencies, protect, ignoreChanges, provider }) => ({
    type,
    name,
    urn,
    parent,
    inputs,
    outputs: { id: `${name}-id`, ...inputs, ...(type.startsWith("aws:") ? outputs(type, name, inputs, provider) : {}) },
    dependencies,
    // Everything is known under mocks, but for what a test hides.
    propertyDependencies: {},
    protect,
    ignoreChanges,
  }));
}

/** Options of a resource made by hand. */
export interface ByHand {
  readonly protect?: boolean;
  readonly ignoreChanges?: readonly string[];
  readonly parent?: string;
}

/** A resource made by hand, as mocks would have recorded it. */
export function resource(type: string, name: string, inputs: Readonly<Record<string, unknown>> = {}, options: ByHand = {}): Resource {
  return {
    type,
    name,
    urn: `urn:pulumi:prod::phased-stack::${type}::${name}`,
    parent: "",
    dependencies: [],
    propertyDependencies: {},
    protect: false,
    ignoreChanges: [],
    ...options,
    inputs,
    outputs: { id: idOf(name), ...inputs, ...(type.startsWith("aws:") ? awsOutputs(type, name, inputs) : {}) },
  };
}

/** The id that mocks give. */
export const idOf = (name: string): string => `${name}-id`;

/** The ARN that mocks give; kind is the type's class in small letters, e.g. `arnOf("iam", "role", "app")`. */
export function arnOf(module: string, kind: string, name: string): string {
  return `arn:aws:${module.split("/")[0] ?? module}:${MOCK_REGION}:${MOCK_ACCOUNT}:${kind}/${name}`;
}

/**
 * Resources as a preview would show them: the input is not known yet, and the engine says which resources its value is made of.
 * @param madeOf URNs; by default those of the resources whose id, ARN or name is in the value
 */
export function hidden(resources: readonly Resource[], name: string, input: string, madeOf?: readonly string[]): Resource[] {
  return resources.map((each) => {
    if (each.name !== name) return each;
    const text = JSON.stringify(each.inputs[input] ?? null);
    const urns = madeOf ?? resources.filter((other) => other !== each && mentions(text, other)).map(({ urn }) => urn);
    return {
      ...each,
      inputs: { ...each.inputs, [input]: UNKNOWN },
      outputs: { ...each.outputs, [input]: UNKNOWN },
      propertyDependencies: { ...each.propertyDependencies, [input]: urns },
    };
  });
}

function mentions(text: string, { name, outputs }: Resource): boolean {
  // A region or an engine's name is in many values, and leads nowhere.
  const values = Object.values(outputs).filter((value): value is string => typeof value === "string" && value.includes(name));
  return values.some((value) => text.includes(value));
}

const textOutputsOf = new Map<string, readonly string[]>();

/** Names of a class's outputs that are texts, from the package's declarations. */
function textOutputs(module: string, token: string): readonly string[] {
  const key = `${module}/${token}`;
  const known = textOutputsOf.get(key);
  if (known !== undefined) return known;
  const folder = path.join(PACKAGE, module);
  const file = readdirSync(folder).find((entry) => entry.toLowerCase() === `${token.toLowerCase()}.d.ts`);
  if (file === undefined) throw new Error(`@pulumi/aws has no ${key}`);
  const text = readFileSync(path.join(folder, file), "utf8");
  const body = text.slice(text.indexOf(`export declare class ${token} `), text.indexOf(`export interface ${token}State`));
  const found = [
    ...body.matchAll(/^ {4}readonly (\w+): pulumi\.Output<(?:string|(?!undefined)[\w.]+ \| string|string \| (?!undefined)[\w.]+)>;/gm),
  ].map((match) => match[1] ?? "");
  textOutputsOf.set(key, found);
  return found;
}
