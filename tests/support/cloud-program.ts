import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import type { Resource } from "../../policy/graph";
import program from "../../stacks/index";
import { graphOf } from "./aws-graph";
import { awsOutputsIn } from "./aws-outputs";
import { NO_ENGINE, Recorder, settled } from "./pulumi-mocks";

/** An image that is there already: the app is not bundled for each run. */
export const IMAGE = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:${"a".repeat(64)}`;

/** What `cloudRuntime: eks` needs beside the rest. */
export const EKS = { cloudRuntime: "eks", eksAdministrators: "arn:aws:iam::123456789012:role/deployer" } as const;

/** What a second region needs beside the rest of stack prod. */
export const TWO_REGIONS = {
  ...{ secondRegion: "us-west-2", secondCdnPrefixListId: "pl-82a045eb" },
  secondImage: IMAGE.replace("eu-central-1", "us-west-2"),
} as const;

type Values = Readonly<Record<string, string>>;

const { config: inFile } = parse(readFileSync("Pulumi.prod.yaml", "utf8")) as { config: Values };

/** Configuration by stack, keys without their namespace: that of Pulumi.prod.yaml, and the least that a stack of profile dev needs. */
const STACKS: Readonly<Record<"dev" | "prod", Values>> = {
  prod: { ...Object.fromEntries(Object.entries(inFile).map(([key, value]) => [key.replace(/^.*:/, ""), value])), image: IMAGE },
  dev: {
    ...{
      phase: "cloud",
      image: IMAGE.replace("eu-central-1", "eu-west-1"),
      users: "100",
      awsRegion: "eu-west-1",
      awsAccountId: "123456789012",
    },
    ...{ alertEmail: "dev@example.com", monthlyBudgetUsd: "100" },
  },
};

/** What changes in the configuration of a stack; a key that is undefined is left out. */
export type Changes = Readonly<Record<string, string | undefined>>;

/** A run of the program under mocks. */
export interface CloudRun {
  readonly recorder: Recorder;
  readonly outputs: Readonly<Record<string, pulumi.Output<string>>>;
}

const runs = new Map<string, Promise<CloudRun>>();

/** The program's run with this configuration; made once for all tests of the process, because what it registered does not change any more. */
export function cloudRun(stack: "dev" | "prod", changes: Changes = {}): Promise<CloudRun> {
  const key = JSON.stringify([stack, Object.entries(changes).sort()]);
  const run = runs.get(key) ?? freshCloudRun(stack, changes);
  runs.set(key, run);
  return run;
}

/** How a run differs from that of an update of the stack. */
export interface RunOptions {
  /** Name of the stack. @default that of its configuration */
  readonly name?: string;
}

/** The configuration of a stack with changes, keys without their namespace. */
export function configOf(stack: "dev" | "prod", changes: Changes): Values {
  const wanted: Changes = { ...STACKS[stack], ...changes };
  return Object.fromEntries(Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** A run of its own. @throws what the program throws */
export async function freshCloudRun(stack: "dev" | "prod", changes: Changes = {}, { name = stack }: RunOptions = {}): Promise<CloudRun> {
  const wanted = configOf(stack, changes);
  const recorder = await Recorder.install("phased-stack", name);
  pulumi.runtime.setAllConfig({
    ...NO_ENGINE,
    ...Object.fromEntries(Object.entries(wanted).map(([key, value]) => [`phased-stack:${key}`, value])),
  });
  const outputs = await program();
  await settled();
  return { recorder, outputs };
}

/** What a run registered, as rules and proofs take it. */
export async function cloudGraph(stack: "dev" | "prod", changes: Changes = {}): Promise<Resource[]> {
  const { recorder } = await cloudRun(stack, changes);
  return graphOf(recorder.resources, (type, name, inputs, provider) => awsOutputsIn(recorder.regionOf(provider))(type, name, inputs));
}
