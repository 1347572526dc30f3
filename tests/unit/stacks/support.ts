import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import program from "../../../stacks/index";
import { Recorder, settled } from "../../support/pulumi-mocks";

/** What the program registered and gave. */
export interface ProgramRun {
  readonly recorder: Recorder;
  readonly outputs: Record<string, pulumi.Output<string>>;
}

/** The program against a Docker Engine that only tells its properties. */
export interface ProgramRig {
  /** Whether the engine has volumes of a Postgres. @default false */
  hasPostgresVolumes: boolean;
  /** Whether the engine has the volume of a Grafana. @default false */
  hasGrafanaVolume: boolean;
  /** What its one app instance answers to `GET /ready` and `GET /health`; without an answer there is no instance. @default none */
  appAnswers: string | undefined;
  /** Containers the engine lists, by the value of the label `phased-stack.service`. @default none */
  containers: Readonly<Record<string, readonly object[]>>;
  run(config: Readonly<Record<string, string>>, stack?: string): Promise<ProgramRun>;
  /** Message of the program's refusal, and what it had registered by then; keys of the configuration are written in full. */
  refusal(config: Readonly<Record<string, string>>): Promise<{ readonly message: string; readonly recorder: Recorder }>;
  close(): Promise<void>;
}

/**
 * @param memoryMb of the Docker host, which has two CPUs
 * @param hasImages whether it has every image it is asked for; else it has none, and no registry tells of any
 */
export async function programRig(memoryMb = 8192, hasImages = true): Promise<ProgramRig> {
  const info = { OSType: "linux", Architecture: "x86_64", NCPU: 2, MemTotal: memoryMb * 1024 ** 2 };
  const engine = http.createServer((request, response) => {
    if (!hasImages && /^\/(images|distribution)\//.test(request.url ?? "")) {
      response.writeHead(500).end(JSON.stringify({ message: "lookup registry-1.docker.io: no such host" }));
      return;
    }
    if (request.url?.startsWith("/volumes") === true) {
      const [, service = ""] = /phased-stack\.service=([a-z-]+)"/.exec(decodeURIComponent(request.url)) ?? [];
      const has = { postgres: rig.hasPostgresVolumes, grafana: rig.hasGrafanaVolume }[service] === true;
      response.end(JSON.stringify({ Volumes: has ? [{ Name: `${service}-1-data` }] : [] }));
      return;
    }
    if (rig.appAnswers !== undefined && request.url?.includes("phased-stack.service%3Dapp%22") === true) {
      response.end(JSON.stringify([{ Id: "instance" }]));
      return;
    }
    if (request.url === "/containers/instance/exec") {
      response.writeHead(201).end(JSON.stringify({ Id: "asked" }));
      return;
    }
    if (request.url === "/exec/asked/start") {
      response.end(rig.appAnswers);
      return;
    }
    if (request.url?.startsWith("/containers/") === true) {
      const [, service = ""] = /phased-stack\.service=([a-z-]+)"/.exec(decodeURIComponent(request.url)) ?? [];
      response.end(JSON.stringify(rig.containers[service] ?? []));
      return;
    }
    response.end(JSON.stringify(info));
  });
  await new Promise<void>((resolve) => engine.listen(0, "127.0.0.1", resolve));
  const host = `tcp://127.0.0.1:${(engine.address() as AddressInfo).port}`;
  const rig: ProgramRig = {
    hasPostgresVolumes: false,
    hasGrafanaVolume: false,
    appAnswers: undefined,
    containers: {},
    async run(config, stack = "dev") {
      const recorder = await Recorder.install("phased-stack", stack);
      const prefixed = Object.entries({ "docker:host": host, ...config }).map(([key, value]) => [
        key.includes(":") ? key : `phased-stack:${key}`,
        value,
      ]);
      pulumi.runtime.setAllConfig(Object.fromEntries(prefixed) as Record<string, string>);
      const outputs = await program();
      await settled();
      return { recorder, outputs };
    },
    async refusal(config) {
      const recorder = await Recorder.install();
      pulumi.runtime.setAllConfig({ "docker:host": host, ...config });
      const error: unknown = await program().then(
        () => assert.fail("accepted"),
        (reason: unknown) => reason,
      );
      assert.ok(pulumi.RunError.isInstance(error), String(error));
      return { message: error.message, recorder };
    },
    close: () =>
      new Promise((resolve) => {
        engine.close(() => resolve());
        engine.closeAllConnections();
      }),
  };
  return rig;
}
