import path from "node:path";
import type ts from "typescript";
import { Graph, type Resource } from "../../policy/graph";
import { locateAws } from "../../toolchain/standins/aws/definition";
import { Declarations, type Member } from "../../toolchain/standins/shared/typings/declarations";
import { TERRAFORM_TYPES } from "./terraform-types";

const PACKAGE = path.resolve(__dirname, "../../node_modules/@pulumi/aws");

/** A plan as `terraform show -json` writes it, as far as tools that check plans read it. */
export interface TerraformPlan {
  readonly format_version: string;
  readonly terraform_version: string;
  readonly planned_values: { readonly root_module: { readonly resources: readonly PlannedResource[] } };
  readonly resource_changes: readonly {
    readonly address: string;
    readonly change: { readonly actions: readonly string[]; readonly after: Values; readonly after_unknown: Values };
  }[];
  readonly configuration: { readonly root_module: { readonly resources: readonly ConfiguredResource[] } };
}

type Values = Readonly<Record<string, unknown>>;

interface Addressed {
  readonly address: string;
  readonly mode: "managed";
  readonly type: string;
  readonly name: string;
}
/** One resource with its values. */
export interface PlannedResource extends Addressed {
  readonly provider_name: string;
  readonly values: Values;
}
/** One resource with what its values refer to. */
interface ConfiguredResource extends Addressed {
  readonly expressions: Readonly<Record<string, { readonly references: readonly string[] }>>;
}

/** Blocks whose Terraform name is a plural already, or that have none. */
const AS_THEY_ARE: ReadonlySet<string> = new Set(["ingress", "egress", "items", "service_registries", "scheduled_actions", "values"]);

/** Converts resources to the plan that Terraform would make of the same stack: all of them to be created. */
export class PlanConverter {
  readonly #declarations: Declarations;

  private constructor(declarations: Declarations) {
    this.#declarations = declarations;
  }

  static async open(): Promise<PlanConverter> {
    return new PlanConverter(await Declarations.open(PACKAGE));
  }

  /**
   * The plan of a stack. Resources of other providers than aws are left out.
   * @throws Error naming every type for which no Terraform type is known: leaving one out would let it pass unchecked
   */
  convert(resources: readonly Resource[]): TerraformPlan {
    const own = resources.filter(({ type }) => type.startsWith("aws:"));
    const missing = [...new Set(own.map(({ type }) => type))].filter((type) => !TERRAFORM_TYPES.has(type));
    if (missing.length > 0) throw new Error(`tests/support/terraform-types.ts has no Terraform type for ${missing.join(", ")}`);
    const graph = new Graph(resources);
    const planned = own.map((resource): PlannedResource => ({
      ...addressed(resource),
      provider_name: "registry.terraform.io/hashicorp/aws",
      values: this.#values(resource),
    }));
    return {
      format_version: "1.2",
      terraform_version: "1.9.0",
      planned_values: { root_module: { resources: planned } },
      resource_changes: planned.map(({ address, type, name, mode, values }) => ({
        address,
        type,
        name,
        mode,
        change: { actions: ["create"], before: null, after: values, after_unknown: {} },
      })),
      configuration: {
        root_module: { resources: own.map((resource) => ({ ...addressed(resource), expressions: expressions(resource, graph) })) },
      },
    };
  }

  #values(resource: Resource): Values {
    const place = locateAws(resource.type, PACKAGE);
    const declaration = place && this.#declarations.resource(place.file, place.name);
    if (declaration === undefined) throw new Error(`@pulumi/aws has no ${resource.type}`);
    return this.#object(resource.inputs, declaration.args, `${resource.type} ${resource.name}`);
  }

  #object(values: Values, members: ReadonlyMap<string, Member>, where: string): Values {
    const converted: Record<string, unknown> = {};
    for (const [input, value] of Object.entries(values)) {
      if (value === undefined || value === null) continue;
      const member = members.get(input);
      if (member === undefined) throw new Error(`${where} has an input ${input}, which the package does not know`);
      const block = this.#blockOf(member.type);
      const name = attributeName(input);
      if (block === undefined || typeof value !== "object") {
        converted[name] = value;
        continue;
      }
      const list = Array.isArray(value) ? (value as Values[]) : [value as Values];
      const blockName = Array.isArray(value) ? singular(name) : name;
      converted[blockName] = list.map((entry) => this.#object(entry, block, `${where}.${input}`));
    }
    return converted;
  }

  /** The members of the block that a property is, or is a list of; undefined for plain values and maps. */
  #blockOf(type: ts.TypeNode): ReadonlyMap<string, Member> | undefined {
    const { typescript } = this.#declarations;
    if (typescript.isUnionTypeNode(type)) return type.types.map((each) => this.#blockOf(each)).find((block) => block !== undefined);
    if (typescript.isArrayTypeNode(type)) return this.#blockOf(type.elementType);
    if (typescript.isParenthesizedTypeNode(type)) return this.#blockOf(type.type);
    if (!typescript.isTypeReferenceNode(type)) return undefined;
    const name = type.typeName.getText();
    if (name === "pulumi.Input" || name === "pulumi.Output") return type.typeArguments?.[0] && this.#blockOf(type.typeArguments[0]);
    const declared = name.startsWith("inputs.") ? this.#declarations.inputType(name.slice("inputs.".length)) : undefined;
    return declared && this.#declarations.members(declared);
  }
}

/** Terraform's address: names there have no hyphens and dots. */
function addressed({ type, name }: Resource): Addressed {
  const terraform = TERRAFORM_TYPES.get(type) ?? "";
  const label = name.replace(/[^A-Za-z0-9_]/g, "_");
  return { address: `${terraform}.${label}`, mode: "managed", type: terraform, name: label };
}

/** What each input refers to. Tools follow these from one resource to the next; values alone would not tell them. */
function expressions(resource: Resource, graph: Graph): ConfiguredResource["expressions"] {
  const found: Record<string, { references: string[] }> = {};
  for (const input of Object.keys(resource.inputs)) {
    const targets = graph.targets(resource, input).filter((target) => target !== resource && TERRAFORM_TYPES.has(target.type));
    if (targets.length === 0) continue;
    const references = targets.flatMap((target) => {
      const { address } = addressed(target);
      return [`${address}.${suffix(resource.inputs[input], target)}`, address];
    });
    found[attributeName(input)] = { references };
  }
  return found;
}

/** The output of the target that the value is. */
function suffix(value: unknown, { outputs }: Resource): string {
  const text = JSON.stringify(value);
  const output = ["id", "arn", "name"].find((key) => typeof outputs[key] === "string" && text.includes(JSON.stringify(outputs[key])));
  return output ?? "id";
}

/** `kmsKeyId` → `kms_key_id`. */
function attributeName(input: string): string {
  return input.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Pulumi writes lists of blocks in the plural, Terraform repeats a block of the singular name. */
function singular(name: string): string {
  if (AS_THEY_ARE.has(name)) return name;
  return name
    .replace(/ies$/, "y")
    .replace(/(sses|ches|xes)$/, (end) => end.slice(0, -2))
    .replace(/([^s])s$/, "$1");
}
