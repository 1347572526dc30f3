import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import path from "node:path";

import { ProgramInfo, RunRequest } from "@pulumi/pulumi/proto/language_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

import { legacyConfigKey, programCommand, runProgram, type ProgramResult } from "../../../toolchain/standins/language-nodejs/program";

const PROJECT = path.resolve(__dirname, "../../..");
const RUN_SCRIPT = path.join(PROJECT, "node_modules/@pulumi/pulumi/cmd/run/index.js");

function request(options: Record<string, string | boolean> = {}, directory = PROJECT): RunRequest {
  const info = new ProgramInfo().setRootDirectory(PROJECT).setProgramDirectory(directory).setEntryPoint(".");
  info.setOptions(Struct.fromJavaScript(options));
  const run = new RunRequest()
    .setProject("shop")
    .setStack("dev")
    .setOrganization("organization")
    .setParallel(16)
    .setMonitorAddress("127.0.0.1:1");
  run.getConfigMap().set("shop:phase", "cluster").set("docker:host", "unix:///x");
  return run.setConfigsecretkeysList(["shop:token"]).setInfo(info);
}

interface Ran extends ProgramResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script as a program. `whenReady` is called with the first output. */
async function run(script: string, cancel = new AbortController(), whenReady: () => void = () => undefined): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let [out, err] = ["", ""];
  stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    whenReady();
  });
  stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const around = { engineAddress: "127.0.0.1:2", env: process.env, stdout, stderr };
  const result = await runProgram({ args: ["-e", script], env: { GREETING: "hello" } }, around, cancel.signal);
  return { ...result, stdout: out, stderr: err };
}

describe("Language host stand-in: running a program", () => {
  it("builds the command line of the SDK's run script, in the official order", () => {
    const { args } = programCommand(request({ nodeargs: "--import tsx" }).setDryrun(true).setArgsList(["--flag"]), "127.0.0.1:2", {});
    const flags = ["--monitor", "127.0.0.1:1", "--engine", "127.0.0.1:2", "--organization", "organization", "--project", "shop"];
    const rest = ["--root-directory", PROJECT, "--stack", "dev", "--pwd", PROJECT, "--dry-run", "--parallel", "16", ".", "--flag"];
    assert.deepEqual(args, ["--import", "tsx", RUN_SCRIPT, ...flags, ...rest]);
  });

  it("leaves out what the engine does not say, and --dry-run in an update", () => {
    const { args } = programCommand(request().setOrganization(""), "127.0.0.1:2", {});
    assert.ok(!args.includes("--organization"));
    assert.ok(!args.includes("--dry-run"));
  });

  it("hands configuration and secret keys over in the environment", () => {
    const { env } = programCommand(request({ typescript: false }), "127.0.0.1:2", {});
    assert.deepEqual(JSON.parse(env["PULUMI_CONFIG"]!), { "shop:config:phase": "cluster", "docker:config:host": "unix:///x" });
    assert.deepEqual(JSON.parse(env["PULUMI_CONFIG_SECRET_KEYS"]!), ["shop:token"]);
    assert.ok(!("PULUMI_NODEJS_TYPESCRIPT" in env));
  });

  it("typescript and tsconfig reach the SDK", () => {
    const { env } = programCommand(request({ tsconfig: "t.json" }), "127.0.0.1:2", {});
    assert.equal(env["PULUMI_NODEJS_TYPESCRIPT"], "true");
    assert.equal(env["PULUMI_NODEJS_TSCONFIG_PATH"], "t.json");
  });

  it("PULUMI_LANGUAGE_NODEJS_RUN_PATH names another run script", () => {
    const { args } = programCommand(request(), "127.0.0.1:2", { PULUMI_LANGUAGE_NODEJS_RUN_PATH: "mocha/package.json" });
    assert.ok(args[0]!.endsWith("node_modules/mocha/package.json"));
  });

  it("without the SDK it says what to run", () => {
    assert.throws(
      () => programCommand(request({}, path.parse(PROJECT).root), "127.0.0.1:2", {}),
      /Pulumi SDK has not been installed.*npm install/,
    );
  });

  it("configuration keys take the SDK's long form", () => {
    assert.equal(legacyConfigKey("a:b"), "a:config:b");
    assert.equal(legacyConfigKey("a:config:b"), "a:config:b");
    assert.throws(() => legacyConfigKey("a"), /could not parse a as a configuration key/);
  });

  it("success: no error, output of both kinds passed on, environment set", async () => {
    const ran = await run('console.log(process.env.GREETING); console.error("careful")');
    assert.deepEqual(ran, { error: "", bail: false, stdout: "hello\n", stderr: "careful\n" });
  });

  it("exit code 32: bail, since the user has seen the reason", async () => {
    const { error, bail } = await run("process.exit(32)");
    assert.deepEqual({ error, bail }, { error: "", bail: true });
  });

  it("another exit code is named", async () => {
    const { error, bail } = await run("process.exit(3)");
    assert.deepEqual({ error, bail }, { error: "Program exited with non-zero exit code: 3", bail: false });
  });

  it("a program that is killed: the signal is named", async () => {
    const { error } = await run('process.kill(process.pid, "SIGKILL")');
    assert.equal(error, "Program exited with non-zero exit code: -1 (ended by SIGKILL)");
  });

  it("out of memory: advice on --max-old-space-size", async () => {
    const { error } = await run('console.error("<--- Last few GCs --->"); process.exit(134)');
    assert.match(error, /non-zero exit code: 134\. Detected a possible out of memory error.*--max-old-space-size/);
  });

  it("cancel interrupts the program, which may end in its own way", async () => {
    const cancel = new AbortController();
    const script = 'process.on("SIGINT", () => process.exit(5)); setInterval(() => {}, 1e6); console.log("ready")';
    const { error } = await run(script, cancel, () => cancel.abort());
    assert.equal(error, "Program exited with non-zero exit code: 5");
  });

  it("cancel kills a program that does not end within five seconds", async function () {
    this.timeout(20_000);
    const cancel = new AbortController();
    const script = 'process.on("SIGINT", () => {}); setInterval(() => {}, 1e6); console.log("ready")';
    const started = performance.now();
    const { error } = await run(script, cancel, () => cancel.abort());
    assert.match(error, /ended by SIGKILL/);
    assert.ok(performance.now() - started >= 5_000);
  });

  it("cancelled before the start: nothing runs", async () => {
    const cancel = new AbortController();
    cancel.abort();
    const { error, stdout } = await run('console.log("ran")', cancel);
    assert.match(error, /cancelled before it started/);
    assert.equal(stdout, "");
  });

  it("no node on PATH: says so", async () => {
    const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
    const around = { engineAddress: "127.0.0.1:2", env: { PATH: "/nonexistent" }, ...streams };
    const { error } = await runProgram({ args: [], env: {} }, around, new AbortController().signal);
    assert.match(error, /could not find node on the \$PATH/);
  });
});
