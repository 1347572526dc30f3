import assert from "node:assert/strict";

import { CliProject } from "./cli";
import { underTest } from "./harness";

const PASSWORD = "random:index/randomPassword:RandomPassword";

/** A program whose password depends on configuration, and an imported string. */
const PROGRAM = `
const random = require("@pulumi/random");
const ignore = config.getBoolean("ignore") ? ["length"] : [];
const override = config.get("override");
const password = new random.RandomPassword("password", {
  length: config.requireNumber("length"),
  ...(override === undefined ? {} : { overrideSpecial: override === "empty" ? "" : override }),
}, { ignoreChanges: ignore, replaceOnChanges: config.getBoolean("replaceOnChanges") ? ["overrideSpecial"] : [] });
const id = new random.RandomId("id", { byteLength: 4, keepers: { of: password.result } });
const imported = new random.RandomString("imported", { length: 7 }, { import: "hunter2" });
exports.password = password.result;
exports.hex = id.hex;
exports.imported = imported.result;
exports.told = config.requireSecret("told");
`;

describe(`language host and random provider in the real engine (${underTest})`, function () {
  this.timeout(120_000);
  let project: CliProject;
  let password: string;

  before(async () => {
    project = new CliProject(["random"]);
    await project.ok("stack", "init", "dev");
    await project.ok("config", "set", "length", "20");
    await project.ok("config", "set", "--secret", "told", "canary-of-the-configuration");
    project.program(PROGRAM);
  });
  after(() => project.remove());

  const outputs = async (): Promise<Record<string, string>> =>
    (await project.json("stack", "output", "--json", "--show-secrets")) as Record<string, string>;
  /** The operations a preview plans, by the resource's name. */
  const planned = async (): Promise<Record<string, string>> => {
    const { steps } = (await project.json("preview", "--json")) as { steps: { op: string; urn: string }[] };
    const changes = steps.filter(({ op }) => op !== "same").map(({ op, urn }) => [urn.split("::").at(-1)!, op] as const);
    return Object.fromEntries(changes);
  };

  it("a preview of everything, with results that are not known yet", async () => {
    assert.deepEqual(await planned(), { "conformance-dev": "create", password: "create", id: "create", imported: "import" });
  });

  it("up creates and imports; a stand-in says once that it is one", async () => {
    const output = await project.ok("up", "--yes", "--skip-preview");
    const mentions = output.match(/stand-in for the official plugin/g) ?? [];
    // Once as it happens and once in the summary of diagnostics.
    assert.equal(mentions.length, underTest === "standin" ? 2 : 0, output);
    const { password: made, hex, imported } = await outputs();
    assert.equal(made!.length, 20);
    assert.match(hex!, /^[0-9a-f]{8}$/);
    assert.equal(imported, "hunter2");
    password = made!;
  });

  it("secrets are in the state encrypted only, also where another resource's input was made of one", async () => {
    const state = JSON.stringify(await project.exported());
    assert.ok(!state.includes(JSON.stringify(password).slice(1, -1)));
    assert.ok(!state.includes("canary-of-the-configuration"));
    const masked = await project.ok("stack", "output");
    assert.match(masked, /password +\[secret\]/);
    assert.match(masked, /told +\[secret\]/);
  });

  it("a second up has no changes, and keeps the values", async () => {
    await project.ok("up", "--yes", "--skip-preview", "--expect-no-changes");
    assert.equal((await outputs())["password"], password);
  });

  it("a refresh finds no changes", async () => {
    await project.ok("refresh", "--yes", "--skip-preview", "--expect-no-changes");
    await project.ok("preview", "--expect-no-changes");
  });

  it("another length replaces the password, and the id that depends on it", async () => {
    await project.ok("config", "set", "length", "21");
    assert.deepEqual(await planned(), { password: "replace", id: "replace" });
  });

  it("ignoreChanges: the same, ignored", async () => {
    await project.ok("config", "set", "ignore", "true");
    await project.ok("preview", "--expect-no-changes");
    await project.ok("config", "set", "length", "20");
    await project.ok("config", "rm", "ignore");
  });

  it("replaceOnChanges: an update in place becomes a replacement", async () => {
    await project.ok("config", "set", "override", "empty");
    await project.ok("up", "--yes", "--skip-preview");
    await project.ok("config", "rm", "override");
    assert.deepEqual(await planned(), { password: "update" });
    await project.ok("config", "set", "replaceOnChanges", "true");
    assert.equal((await planned())["password"], "replace");
    await project.ok("config", "rm", "replaceOnChanges");
  });

  it("an update in place keeps the value, and keeps it secret", async () => {
    const before = (await outputs())["password"]!;
    await project.ok("up", "--yes", "--skip-preview");
    assert.equal((await outputs())["password"], before);
    const { resources = [] } = (await project.exported()).deployment;
    const state = resources.find(({ type }) => type === PASSWORD);
    assert.ok(!JSON.stringify(state).includes(JSON.stringify(before).slice(1, -1)));
  });

  it("a refused input fails the update and names resource and property", async () => {
    await project.ok("config", "set", "length", "0");
    const { code, output } = await project.run("preview");
    assert.notEqual(code, 0);
    assert.match(output, /random:index:RandomPassword \(password\)|RandomPassword.*password/);
    assert.match(output, /length value must be at least 1, got: 0/);
    await project.ok("config", "set", "length", "20");
  });

  it("a program's own RunError is shown without a stack trace", async () => {
    project.program('throw new pulumi.RunError("the shop is closed");');
    const { code, output } = await project.run("preview");
    assert.notEqual(code, 0);
    assert.match(output, /error: the shop is closed/);
    assert.doesNotMatch(output, /^\s+at /m);
    assert.doesNotMatch(output, /non-zero exit code/);
  });

  it("a program that ends by itself is an error, with what it printed", async () => {
    project.program('console.log("before the end"); process.exit(3);');
    const { code, output } = await project.run("preview");
    assert.notEqual(code, 0);
    assert.match(output, /before the end/);
    assert.match(output, /Program exited with non-zero exit code: 3/);
  });

  it("destroy leaves nothing behind", async () => {
    await project.ok("destroy", "--yes", "--skip-preview");
    const { resources = [] } = (await project.exported()).deployment;
    assert.deepEqual(resources, []);
  });
});
