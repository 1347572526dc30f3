import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import * as grpc from "@grpc/grpc-js";
import { LanguageRuntimeClient } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as proto from "@pulumi/pulumi/proto/language_pb";
import type { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import sdk from "@pulumi/pulumi/package.json";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

import { clientOptions } from "../../../toolchain/standins/shared/rpc";

const ROOT = path.resolve(__dirname, "../../..");
const MAIN = path.join(ROOT, "toolchain/standins/language-nodejs/main.ts");

type Done<T> = (error: grpc.ServiceError | null, response: T) => void;
const call = <T>(start: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => start((error, response) => (error === null ? resolve(response) : reject(error))));

/** The host as the engine runs it: a process, and a client to its port. */
class HostProcess {
  readonly lines: string[] = [];
  private constructor(
    readonly child: ChildProcess,
    readonly client: LanguageRuntimeClient,
  ) {}

  static async start(engineAddress: string, program: string): Promise<HostProcess> {
    // Flags before the address, as an engine that traces writes them.
    const args = ["--import", "tsx", MAIN, "--logtostderr", "-v=9", "--tracing", "http://127.0.0.1:9", engineAddress];
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, PULUMI_LANGUAGE_NODEJS_RUN_PATH: program },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout });
    const [port] = (await once(lines, "line")) as [string];
    assert.match(port, /^\d+$/, "the first line is the port");
    const host = new HostProcess(child, new LanguageRuntimeClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), clientOptions));
    lines.on("line", (line) => host.lines.push(line));
    return host;
  }

  /** Resolves with the next line of the host's output that has the text. */
  async line(text: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.includes(text));
      if (found !== undefined) return found;
      await once(this.child.stdout!, "data");
    }
  }

  async ended(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const [code] = (await once(this.child, "exit")) as [number | null];
    return code;
  }
}

describe("Language host stand-in: as a process", function () {
  this.timeout(30_000);
  let engine: Server;
  let host: HostProcess;
  let directory: string;

  beforeEach(async () => {
    engine = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(engine, "listening");
    directory = mkdtempSync(path.join(tmpdir(), "language-host-"));
    symlinkSync(path.join(ROOT, "node_modules"), path.join(directory, "node_modules"), "dir");
    writeFileSync(path.join(directory, "package.json"), JSON.stringify({ dependencies: { "@pulumi/random": "1" } }));
    const { port } = engine.address() as AddressInfo;
    host = await HostProcess.start(`127.0.0.1:${port}`, path.join(directory, "program.cjs"));
  });

  afterEach(async () => {
    host.client.close();
    host.child.kill("SIGKILL");
    await host.ended();
    if (engine.listening) engine.close();
    rmSync(directory, { recursive: true });
  });

  const info = (): proto.ProgramInfo =>
    new proto.ProgramInfo()
      .setRootDirectory(directory)
      .setProgramDirectory(directory)
      .setEntryPoint(".")
      .setOptions(Struct.fromJavaScript({}));
  /** A request that runs `script` in the place of the SDK's run script. */
  const running = (script: string): proto.RunRequest => {
    writeFileSync(path.join(directory, "program.cjs"), script);
    return new proto.RunRequest().setProject("p").setStack("s").setInfo(info());
  };
  const run = (script: string): Promise<proto.RunResponse> => call((done) => host.client.run(running(script), done));

  it("tells the version of the SDK, so that the CLI finds them matching", async () => {
    const answer = await call<PluginInfo>((done) => host.client.getPluginInfo(new Empty(), done));
    assert.equal(answer.getVersion(), sdk.version);
  });

  it("requires no plugins: nothing is downloaded", async () => {
    const request = new proto.GetRequiredPackagesRequest().setInfo(info());
    const answer = await call<proto.GetRequiredPackagesResponse>((done) => host.client.getRequiredPackages(request, done));
    assert.deepEqual(answer.getPackagesList(), []);
  });

  it("runs a program with its arguments, hands its output on and maps its end", async () => {
    const answer = await run('console.log("args", process.argv.slice(2).join(" ")); process.exit(32)');
    assert.equal(answer.getBail(), true);
    assert.equal(answer.getError(), "");
    assert.match(await host.line("args"), /--engine 127\.0\.0\.1:\d+ --project p .*--stack s --pwd .*--parallel 0 \.$/);
  });

  it("a mistake in the options is the program's error, not a failed call", async () => {
    const options = Struct.fromJavaScript({ nodeargs: 5 });
    const request = new proto.RunRequest().setInfo(info().setOptions(options));
    const answer = await call<proto.RunResponse>((done) => host.client.run(request, done));
    assert.equal(answer.getError(), "nodeargs option must be a string");
  });

  it("Cancel ends the program", async () => {
    const answer = run('console.log("up"); setInterval(() => {}, 1e6)');
    await host.line("up");
    await call<Empty>((done) => host.client.cancel(new Empty(), done));
    assert.match((await answer).getError(), /SIGINT/);
  });

  it("an engine that hangs up on the call ends the program", async () => {
    const request = running(
      'process.on("SIGINT", () => { console.log("interrupted"); process.exit(0); }); console.log("up"); setInterval(() => {}, 1e6)',
    );
    const pending = host.client.run(request, () => undefined);
    await host.line("up");
    pending.cancel();
    await host.line("interrupted");
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`${signal} ends the program and the host`, async () => {
      const answer = run(
        'process.on("SIGINT", () => { console.log("interrupted"); process.exit(0); }); console.log("up"); setInterval(() => {}, 1e6)',
      );
      await host.line("up");
      host.child.kill(signal);
      await host.line("interrupted");
      assert.equal((await answer).getError(), "");
      assert.equal(await host.ended(), 0);
    });
  }

  it("ends when nothing listens at the engine's address any more", async () => {
    engine.close();
    assert.equal(await host.ended(), 0);
  });

  it("lists the program's packages from package-lock.json", async () => {
    const packages = { "": {}, "node_modules/@pulumi/random": { version: "4.1.0" }, "node_modules/a/node_modules/b": { version: "2.0.0" } };
    writeFileSync(path.join(directory, "package-lock.json"), JSON.stringify({ packages }));
    const list = async (transitive: boolean): Promise<string[]> => {
      const request = new proto.GetProgramDependenciesRequest().setInfo(info()).setTransitivedependencies(transitive);
      const answer = await call<proto.GetProgramDependenciesResponse>((done) => host.client.getProgramDependencies(request, done));
      return answer.getDependenciesList().map((dependency) => `${dependency.getName()} ${dependency.getVersion()}`);
    };
    assert.deepEqual(await list(false), ["@pulumi/random 4.1.0"]);
    assert.deepEqual(await list(true), ["@pulumi/random 4.1.0", "b 2.0.0"]);
  });

  it("tells about Node, the package manager and TypeScript", async () => {
    const answer = await call<proto.AboutResponse>((done) => host.client.about(new proto.AboutRequest().setInfo(info()), done));
    assert.match(answer.getVersion(), /^v\d+\./);
    assert.equal(answer.getMetadataMap().get("packagemanager"), "npm");
    assert.match(answer.getMetadataMap().get("typescriptVersion") ?? "", /^\d+\./);
  });

  it("what it leaves out is UNIMPLEMENTED and names the official host", async () => {
    const unimplemented = {
      code: grpc.status.UNIMPLEMENTED,
      details: /is not part of this stand-in; it needs the official pulumi-language-nodejs/,
    };
    await assert.rejects(
      call((done) => host.client.generateProgram(new proto.GenerateProgramRequest(), done)),
      unimplemented,
    );
    const stream = host.client.runPlugin(new proto.RunPluginRequest().setAttachDebugger(true));
    const [error] = (await once(stream, "error")) as [grpc.ServiceError];
    assert.equal(error.code, unimplemented.code);
    assert.match(error.details, unimplemented.details);
  });
});
