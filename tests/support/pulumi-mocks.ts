import assert from "node:assert/strict";
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import type { MockCallArgs, MockResourceArgs, MockResourceResult } from "@pulumi/pulumi/runtime";
import { awsOutputsIn, REGION } from "./aws-outputs";

/**
 * The SDK notes a stack trace for every promise, to name those that are left when a program ends. To map them to the sources takes three quarters
 * of the time of a program under mocks, and nobody reads them: tests wait for what is registered.
 */
const debuggable = createRequire(__filename)("@pulumi/pulumi/runtime/debuggable") as { debuggablePromise: <T>(promise: T) => T };
debuggable.debuggablePromise = (promise) => promise;

/** Key and value with which Pulumi marks a secret in what it sends to the engine. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Configuration for programs that look for a Docker Engine: they find none, whatever this machine has. */
export const NO_ENGINE = { "docker:host": "unix:///nonexistent" } as const;

/** One resource the program registered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  /** URN of the parent; empty for the stack's own children. */
  readonly parent: string;
  /** URN of every resource it depends on, said or derived. */
  readonly dependencies: readonly string[];
  /** Inputs without the marks of secrets. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Texts that were inside a secret. */
  readonly secrets: readonly string[];
  /** Texts that were not, as one string, to search a canary in. */
  readonly plain: string;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean | undefined;
  readonly ignoreChanges: readonly string[];
  /** Reference of its provider: URN and id; empty for the default one. */
  readonly provider: string;
}

/** Value the mocked RandomPassword gives as its result; it must never appear outside a secret. */
export function canary(name: string): string {
  return `canary-value-of-${name}`;
}

interface RegisterRequest {
  getParent(): string;
  getDependenciesList(): string[];
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getDeletebeforereplace(): boolean;
  getDeletebeforereplacedefined(): boolean;
  getIgnorechangesList(): string[];
  getProvider(): string;
  getType(): string;
  getName(): string;
}

/** Records what a program registers; answers as the Docker and random providers would. */
export class Recorder implements pulumi.runtime.Mocks {
  /** With which containers end that are waited for. */
  static exitCode = 0;
  readonly resources: Registered[] = [];
  /** That of the first provider of AWS. */
  region = REGION;
  /** Of each provider of AWS by its name: what mocks answer is of it. */
  private readonly regions = new Map<string, string>();
  private readonly requests = new Map<string, RegisterRequest>();
  /** URN of the mocks, in which of the parents' types only the last is, → that of the engine, in which all are. */
  private readonly urns = new Map<string, string>();

  /** Installs the mocks; call it in every test, before components are made. */
  static async install(project = "phased-stack", stack = "dev"): Promise<Recorder> {
    const recorder = new Recorder();
    Recorder.exitCode = 0;
    await pulumi.runtime.setMocks(recorder, project, stack, false);
    recorder.listen();
    return recorder;
  }

  newResource(args: MockResourceArgs): MockResourceResult {
    const secrets: string[] = [];
    const inputs = reveal(args.inputs, secrets) as Record<string, unknown>;
    if (args.type === "pulumi:providers:aws") this.regions.set(args.name, String(inputs["region"]));
    if (args.type === "pulumi:providers:aws" && args.name === "aws") this.region = String(inputs["region"]);
    const request = this.requests.get(`${args.type} ${args.name}`);
    assert.ok(request, `no registration was seen for ${args.type} ${args.name}`);
    const mockedParent = request.getParent();
    const parent = this.urns.get(mockedParent) ?? mockedParent;
    const urn = urnBelow(typesOf(parent), args);
    this.urns.set(urnBelow(typesOf(mockedParent).split("$").at(-1) ?? "", args), urn);
    this.resources.push({
      type: args.type,
      name: args.name,
      urn,
      parent,
      dependencies: request.getDependenciesList().map((dependency) => this.urns.get(dependency) ?? dependency),
      inputs,
      secrets,
      plain: JSON.stringify(hide(args.inputs)),
      protect: request.getProtect(),
      retainOnDelete: request.getRetainondelete(),
      deleteBeforeReplace: request.getDeletebeforereplacedefined() ? request.getDeletebeforereplace() : undefined,
      ignoreChanges: request.getIgnorechangesList(),
      provider: request.getProvider(),
    });
    return {
      id: `${args.name}-id`,
      state: { ...args.inputs, ...outputs(args, inputs, this.regionOf(request.getProvider())) } as Record<string, unknown>,
    };
  }

  call(args: MockCallArgs): Record<string, unknown> {
    throw new Error(`the program looked something up: ${args.token}`);
  }

  /** Region of a resource, by the reference of its provider. */
  regionOf(provider: string): string {
    return this.regions.get(provider.split("::")[3] ?? "") ?? this.region;
  }

  /** The one resource of that name. */
  get(name: string): Registered {
    const found = this.resources.filter((resource) => resource.name === name);
    assert.equal(found.length, 1, `${found.length} resources are named ${name}; there are ${this.names().join(", ")}`);
    return found[0]!;
  }

  ofType(type: string): Registered[] {
    return this.resources.filter((resource) => resource.type === type);
  }

  names(): string[] {
    return this.resources.map((resource) => resource.name).sort();
  }

  /** Mocks are not told a resource's options; the request to the engine has them. */
  private listen(): void {
    const monitor = pulumi.runtime.getMonitor() as unknown as {
      registerResource(request: RegisterRequest, ...rest: unknown[]): unknown;
    };
    const original = monitor.registerResource.bind(monitor);
    monitor.registerResource = (request, ...rest) => {
      this.requests.set(`${request.getType()} ${request.getName()}`, request);
      return original(request, ...rest);
    };
  }
}

/** What a provider adds to the inputs. Names get a suffix, so that a physical name is never taken for a logical one. */
function outputs(args: MockResourceArgs, inputs: Record<string, unknown>, region: string): Record<string, unknown> {
  if (args.type === "random:index/randomPassword:RandomPassword") return { result: canary(args.name) };
  if (args.type === "random:index/randomId:RandomId") return { hex: "1a2b3c4d" };
  if (args.type.startsWith("aws:")) return awsOutputsIn(region)(args.type, args.name, inputs);
  if (args.type === "docker:index/image:Image") {
    return { repoDigest: `${String(inputs["imageName"]).replace(/:[^/:]*$/, "")}@sha256:${"a".repeat(64)}` };
  }
  if (/^kubernetes:[\w.-]+\/\w+:/.test(args.type)) return { metadata: namedMetadata(args.name, inputs["metadata"]) };
  if (args.type.startsWith("docker:")) {
    return {
      ...(inputs["name"] === undefined && { name: `${args.name}-1a2b3c4` }),
      // What is attached to has ended.
      ...(inputs["attach"] === true && { exitCode: Recorder.exitCode, containerLogs: "first line\nlast line\n" }),
    };
  }
  return {};
}

/** Kubernetes' provider makes a name where none is given. */
function namedMetadata(name: string, metadata: unknown): object {
  return { name: `${name}-1a2b3c4`, ...(typeof metadata === "object" ? metadata : {}) };
}

function isSecret(value: object): value is { value: unknown } {
  return (value as Record<string, unknown>)[SIGNATURE] === SECRET;
}

/** The value without marks; texts below a mark are collected. */
function reveal(value: unknown, secrets: string[], inSecret = false): unknown {
  if (typeof value === "string") {
    if (inSecret) secrets.push(value);
    return value;
  }
  if (value === null || typeof value !== "object") return value;
  if (isSecret(value)) return reveal(value.value, secrets, true);
  if (Array.isArray(value)) return value.map((item) => reveal(item, secrets, inSecret));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, reveal(item, secrets, inSecret)]));
}

function hide(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (isSecret(value)) return "[secret]";
  if (Array.isArray(value)) return value.map(hide);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, hide(item)]));
}

function urnBelow(parentTypes: string, { type, name }: MockResourceArgs): string {
  const qualified = parentTypes === "" || parentTypes === "pulumi:pulumi:Stack" ? type : `${parentTypes}$${type}`;
  return `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::${qualified}::${name}`;
}

function typesOf(urn: string): string {
  return urn.split("::")[2] ?? "";
}

/** Waits for a value; a test that only calls `.apply` and never awaits it would pass whatever happens. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(): Promise<T> }).promise();
}

/** Whether an output is marked secret. */
export async function isMarkedSecret(output: pulumi.Output<unknown>): Promise<boolean> {
  return pulumi.isSecret(output);
}

/** Waits until everything the program has registered so far has been answered. */
export async function settled(): Promise<void> {
  await pulumi.runtime.disconnect();
}
