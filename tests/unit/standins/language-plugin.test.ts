import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import * as grpc from "@grpc/grpc-js";
import { AnalyzerClient } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import * as analyzer from "@pulumi/pulumi/proto/analyzer_pb";
import { LanguageRuntimeClient, LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import { ProgramInfo, RunPluginRequest, type RunPluginResponse } from "@pulumi/pulumi/proto/language_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

import { languageHost } from "../../../toolchain/standins/language-nodejs/host";
import { pluginCommand, stackEnvironment } from "../../../toolchain/standins/language-nodejs/plugin";
import { clientOptions, listen } from "../../../toolchain/standins/shared/rpc";

const PROJECT = path.resolve(__dirname, "../../..");
const SDK = path.join(PROJECT, "node_modules/@pulumi/pulumi/cmd");
type Done<T> = (error: grpc.ServiceError | null, response: T) => void;
const call = <T>(start: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => start((error, response) => (error === null ? resolve(response) : reject(error))));

function request(kind: string, directory = PROJECT, options: Record<string, string | boolean> = {}): RunPluginRequest {
  const info = new ProgramInfo()
    .setRootDirectory(directory)
    .setProgramDirectory(directory)
    .setEntryPoint(".")
    .setOptions(Struct.fromJavaScript(options));
  return new RunPluginRequest().setKind(kind).setPwd("/work").setArgsList(["127.0.0.1:2"]).setInfo(info);
}

function configuration(): analyzer.AnalyzerStackConfigureRequest {
  const said = new analyzer.AnalyzerStackConfigureRequest().setProject("shop").setStack("prod").setDryRun(true);
  said.getConfigMap().set("shop:profile", "dev");
  return said;
}

describe("Language host stand-in: plugins", () => {
  it("F5 a policy pack runs in its own directory, which it is told last, as the official host does it", () => {
    const { args, cwd } = pluginCommand(request("analyzer", PROJECT, { nodeargs: "--a b" }), {});
    assert.deepEqual(args, [path.join(SDK, "run-policy-pack/index.js"), "--a", "b", "127.0.0.1:2", PROJECT]);
    assert.equal(cwd, PROJECT);
  });

  it("any other plugin runs where the engine says, and is told its directory first", () => {
    const { args, cwd } = pluginCommand(request("resource"), {});
    assert.deepEqual(args, [path.join(SDK, "run-plugin/index.js"), PROJECT, "127.0.0.1:2"]);
    assert.equal(cwd, "/work");
    const other = pluginCommand(request("resource"), { PULUMI_LANGUAGE_NODEJS_RUN_PATH: "mocha/package.json" });
    assert.ok(other.args[0]?.endsWith("mocha/package.json"));
  });

  it("has the environment that the engine sends, the last of two entries, and its own where it sends none", () => {
    const sent = pluginCommand(request("analyzer").setEnvList(["A=1", "B=x=y", "A=2", "C="]), { HOME: "/root" }).env;
    assert.deepEqual(sent, { A: "2", B: "x=y", C: "", PULUMI_NODEJS_TYPESCRIPT: "true" });
    const { env } = pluginCommand(request("analyzer", PROJECT, { typescript: false, tsconfig: "t.json" }), { HOME: "/root" });
    assert.deepEqual(env, { HOME: "/root", PULUMI_NODEJS_TSCONFIG_PATH: "t.json" });
  });

  it("without the SDK it says where to install it", () => {
    assert.throws(
      () => pluginCommand(request("analyzer", "/"), {}),
      /Pulumi SDK has not been installed\. Have you run npm install in \/\?/,
    );
  });

  it("what the engine says of the stack is in the names that the SDK reads", () => {
    assert.deepEqual(stackEnvironment(undefined), {});
    assert.deepEqual(stackEnvironment(configuration()), {
      PULUMI_NODEJS_PROJECT: "shop",
      PULUMI_NODEJS_STACK: "prod",
      PULUMI_NODEJS_DRY_RUN: "true",
      PULUMI_CONFIG: '{"shop:profile":"dev"}',
    });
  });

  describe("a policy pack, as the engine runs it", function () {
    this.timeout(30_000);
    let directory: string;
    let server: grpc.Server;
    let client: LanguageRuntimeClient;
    let stream: grpc.ClientReadableStream<RunPluginResponse>;
    let output: { stdout: string; stderr: string };
    let failed: Promise<grpc.ServiceError>;
    const pack = (script: string): void => writeFileSync(path.join(directory, "index.js"), script);

    beforeEach(async () => {
      directory = realpathSync(mkdtempSync(path.join(tmpdir(), "policy-pack-")));
      symlinkSync(path.join(PROJECT, "node_modules"), path.join(directory, "node_modules"), "dir");
      writeFileSync(path.join(directory, "package.json"), JSON.stringify({ name: "rules", version: "1.2.3" }));
      const host = languageHost({ engineAddress: undefined, env: process.env, stdout: process.stdout, stderr: process.stderr });
      const listening = await listen((toServe) => toServe.addService(LanguageRuntimeService, host.service));
      server = listening.server;
      client = new LanguageRuntimeClient(`127.0.0.1:${listening.port}`, grpc.credentials.createInsecure(), clientOptions);
    });
    afterEach(() => {
      stream.cancel();
      client.close();
      server.forceShutdown();
      rmSync(directory, { recursive: true });
    });

    /** Starts it, and resolves with a client to the port that the engine is told. */
    const start = async (kind = "analyzer"): Promise<AnalyzerClient> => {
      output = { stdout: "", stderr: "" };
      stream = client.runPlugin(request(kind, directory));
      stream.on("data", (response: RunPluginResponse) => {
        output.stdout += Buffer.from(response.getStdout_asU8()).toString();
        output.stderr += Buffer.from(response.getStderr_asU8()).toString();
      });
      failed = once(stream, "error").then(([error]) => error as grpc.ServiceError);
      failed.catch(() => undefined);
      while (!output.stdout.includes("\n")) await once(stream, "data");
      return new AnalyzerClient(`127.0.0.1:${Number(output.stdout.split("\n")[0])}`, grpc.credentials.createInsecure(), clientOptions);
    };
    const until = async (text: string): Promise<void> => {
      while (!output.stdout.includes(text)) await new Promise((resolve) => setTimeout(resolve, 20));
    };

    const REAL = `
      const { PolicyPack } = require("@pulumi/policy");
      const { Config, getStack } = require("@pulumi/pulumi");
      new PolicyPack("rules", { policies: [{ name: "named", description: "d", enforcementLevel: "mandatory", validateResource: (args, report) => {
        console.log("judged " + args.name);
        report(getStack() + " " + new Config("shop").get("profile") + " " + process.cwd());
      } }] });`;

    it("F5 knows stack and configuration, and answers through the port the engine was told; its output is passed on", async () => {
      pack(REAL);
      const engine = await start();
      await call<analyzer.AnalyzerHandshakeResponse>((done) => engine.handshake(new analyzer.AnalyzerHandshakeRequest(), done));
      await call<analyzer.AnalyzerStackConfigureResponse>((done) => engine.configureStack(configuration(), done));
      const info = await call<analyzer.AnalyzerInfo>((done) => engine.getAnalyzerInfo(new Empty(), done));
      assert.deepEqual([info.getName(), info.getVersion()], ["rules", "1.2.3"]);
      const asked = new analyzer.AnalyzeRequest().setType("a:b:C").setName("c").setUrn("urn:pulumi:prod::shop::a:b:C::c");
      asked
        .setProperties(Struct.fromJavaScript({}))
        .setOptions(new analyzer.AnalyzerResourceOptions().setCustomtimeouts(new analyzer.AnalyzerResourceOptions.CustomTimeouts()));
      const answer = await call<analyzer.AnalyzeResponse>((done) => engine.analyze(asked, done));
      assert.match(answer.getDiagnosticsList()[0]?.getMessage() ?? "", new RegExp(`prod dev ${directory}`));
      await until("judged c");
      engine.close();
    });

    it("is started without a configuration when the engine calls it before saying one", async () => {
      pack(REAL);
      const engine = await start();
      const info = await call<analyzer.AnalyzerInfo>((done) => engine.getAnalyzerInfo(new Empty(), done));
      assert.equal(info.getName(), "rules");
      engine.close();
    });

    it("ends with the engine's request", async () => {
      writeFileSync(path.join(directory, "ended.txt"), "");
      pack(`process.on("SIGINT", () => { require("fs").writeFileSync("ended.txt", "interrupted"); process.exit(0); }); ${REAL}`);
      const engine = await start();
      await call<analyzer.AnalyzerInfo>((done) => engine.getAnalyzerInfo(new Empty(), done));
      stream.cancel();
      const { readFileSync } = await import("node:fs");
      while (readFileSync(path.join(directory, "ended.txt"), "utf8") === "") await new Promise((resolve) => setTimeout(resolve, 20));
      await assert.rejects(call((done) => engine.getAnalyzerInfo(new Empty(), done)));
      engine.close();
    });

    it("one that fails before it listens fails the engine's calls as well, and its output tells why", async () => {
      pack('console.error("no rules here"); process.exit(3);');
      const engine = await start();
      await assert.rejects(
        call((done) => engine.getAnalyzerInfo(new Empty(), done)),
        /policy pack not started: Program exited with non-zero exit code: 3/,
      );
      assert.match((await failed).details, /Program exited with non-zero exit code: 3/);
      assert.match(output.stderr, /no rules here/);
      engine.close();
    });

    it("one that says something else than its port is ended, and that is told", async () => {
      pack('console.log("hello"); setInterval(() => {}, 1e6);');
      const engine = await start();
      await call<analyzer.AnalyzerStackConfigureResponse>((done) => engine.configureStack(configuration(), done));
      assert.match((await failed).details, /could not read policy pack port: its first line is "hello"/);
      engine.close();
    });

    it("a plugin of another kind speaks for itself", async () => {
      rmSync(path.join(directory, "node_modules"));
      const script = path.join(directory, "node_modules/@pulumi/pulumi/cmd/run-plugin");
      mkdirSync(script, { recursive: true });
      writeFileSync(path.join(directory, "node_modules/@pulumi/pulumi/package.json"), "{}");
      // The engine gives the directory to run in.
      writeFileSync(path.join(script, "index.js"), 'console.log("4711"); console.log(process.argv.slice(2).join(" "));');
      stream = client.runPlugin(request("resource", directory).setPwd(directory));
      let stdout = "";
      stream.on("data", (response: RunPluginResponse) => (stdout += Buffer.from(response.getStdout_asU8()).toString()));
      await once(stream, "end");
      assert.equal(stdout, `4711\n${directory} 127.0.0.1:2\n`);
    });
  });
});
