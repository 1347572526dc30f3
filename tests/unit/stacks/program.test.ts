import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { OUTPUT_KEYS } from "../../support/output-keys";
import { canary, isMarkedSecret, type Recorder, valueOf } from "../../support/pulumi-mocks";
import { programRig, type ProgramRig } from "./support";

/** URNs of phase `cluster`. A URN is an identity: changing one here replaces the resource, and with it the data, on users' stacks. */
const APP = "phased-stack:local:App";
const LOAD_BALANCER = "phased-stack:local:LoadBalancer";
const FROZEN_URNS = [
  `${APP}$docker:index/container:Container::app-0`,
  `${APP}::app`,
  `${LOAD_BALANCER}$docker:index/container:Container::load-balancer-haproxy`,
  `${LOAD_BALANCER}$phased-stack:local:Image$docker:index/image:Image::load-balancer-image-build`,
  `${LOAD_BALANCER}$phased-stack:local:Image::load-balancer-image`,
  `${LOAD_BALANCER}$phased-stack:local:SecretFiles$docker:index/container:Container::load-balancer-secrets-writer`,
  `${LOAD_BALANCER}$phased-stack:local:SecretFiles$docker:index/volume:Volume::load-balancer-secrets-volume`,
  `${LOAD_BALANCER}$phased-stack:local:SecretFiles::load-balancer-secrets`,
  `${LOAD_BALANCER}::load-balancer`,
  "phased-stack:local:Image$docker:index/image:Image::app-image-build",
  "phased-stack:local:Image::app-image",
  "phased-stack:local:Network$docker:index/network:Network::network-bridge",
  "phased-stack:local:Network::network",
  "phased-stack:local:SecretFiles$docker:index/container:Container::secrets-writer",
  "phased-stack:local:SecretFiles$docker:index/volume:Volume::secrets-volume",
  "phased-stack:local:SecretFiles$random:index/randomPassword:RandomPassword::secrets-admin-token",
  "phased-stack:local:SecretFiles$random:index/randomPassword:RandomPassword::secrets-session-secret",
  "phased-stack:local:SecretFiles::secrets",
  "phased-stack:local:Sqlite$docker:index/volume:Volume::database-data",
  "phased-stack:local:Sqlite::database",
].map((rest) => `urn:pulumi:dev::phased-stack::${rest}`);

describe("the whole program", function () {
  this.timeout(30_000);
  let rig: ProgramRig;
  const run: ProgramRig["run"] = (...args) => rig.run(...args);
  const refusal: ProgramRig["refusal"] = (config) => rig.refusal(config);

  before(async () => {
    rig = await programRig();
  });

  after(() => rig.close());

  it("A1 has the same output keys in every phase, empty where there is nothing, secrets marked", async () => {
    const { outputs } = await run({ phase: "cluster", port: "4001" });
    assert.deepEqual(Object.keys(outputs).sort(), OUTPUT_KEYS);
    const values = Object.fromEntries(
      await Promise.all(Object.entries(outputs).map(async ([key, value]) => [key, await valueOf(value)] as const)),
    );
    const { phase, appUrl, consoleUrl, adminToken, ...absent } = values;
    assert.deepEqual([phase, appUrl, adminToken], ["cluster", "http://127.0.0.1:4001", canary("secrets-admin-token")]);
    assert.equal(consoleUrl, "http://127.0.0.1:4001/console");
    assert.deepEqual([...new Set(Object.values(absent))], [""]);
    for (const key of OUTPUT_KEYS) {
      assert.equal(await isMarkedSecret(outputs[key]!), /^adminToken$|Pass(word|phrase)$/.test(key), key);
    }
  });

  it("keeps the URNs of phase cluster", async () => {
    const { recorder } = await run({});
    assert.deepEqual(recorder.resources.map((resource) => resource.urn).sort(), [...FROZEN_URNS].sort());
  });

  it("A13 with monitoring phase cluster has Prometheus, Alertmanager, Grafana and the host's exporter, and the others stay as they are", async () => {
    const [{ recorder: without }, { recorder, outputs }] = [await run({}), await run({ monitoring: "true", appInstances: "1" })];
    const added = recorder.names().filter((name) => !without.names().includes(name));
    const servers = ["alertmanager", "grafana", "prometheus"].flatMap((name) => [name, `${name}-container`, `${name}-data`]);
    const images = ["alertmanager", "exporters", "grafana", "prometheus"].flatMap((name) => [`${name}-image`, `${name}-image-build`]);
    const secrets = ["", "-admin-password", "-volume", "-writer"].map((end) => `grafana-secrets${end}`);
    assert.deepEqual(added.sort(), [...servers, ...images, ...secrets, "exporters", "exporters-node"].sort());
    for (const before of without.resources) assert.deepEqual(recorder.get(before.name).inputs, before.inputs, before.name);
    assert.equal(await valueOf(outputs["prometheusUrl"]!), "http://127.0.0.1:9090");
  });

  it("every child has a parent and a name that starts with the parent's", async () => {
    const { recorder } = await run({ appInstances: "3" });
    const components = recorder.resources.filter((resource) => resource.type.startsWith("phased-stack:"));
    const children = recorder.resources.filter((resource) => !components.includes(resource) || resource.parent !== "");
    assert.ok(children.length > components.length);
    for (const child of children) {
      const parentName = child.parent.split("::").at(-1) ?? "";
      assert.notEqual(parentName, "", `${child.name} has no parent`);
      assert.ok(child.name.startsWith(`${parentName}-`), `${child.name} is a child of ${parentName}`);
    }
  });

  it("no secret is in plain anywhere, and no physical name is fixed, so stacks live side by side", async () => {
    const { recorder } = await run({});
    const canaries = recorder.ofType("random:index/randomPassword:RandomPassword").map(({ name }) => canary(name));
    assert.equal(canaries.length, 2);
    for (const resource of recorder.resources) {
      for (const value of canaries) assert.ok(!resource.plain.includes(value), `${resource.name} shows a secret`);
      assert.equal(resource.inputs["name"], undefined, `${resource.name} has a fixed physical name`);
    }
    const seen = recorder.resources.flatMap((resource) => resource.secrets);
    for (const value of canaries) assert.ok(seen.includes(value), "the scan looked for nothing");
  });

  it("every Docker object has the labels of its project and stack", async () => {
    const { recorder } = await run({}, "staging");
    const labelled = recorder.resources.filter(({ type }) => /^docker:.*:(Container|Network|Volume)$/.test(type));
    assert.equal(labelled.length, 8);
    for (const { inputs, name } of labelled) {
      const labels = Object.fromEntries((inputs["labels"] as { label: string; value: string }[]).map(({ label, value }) => [label, value]));
      assert.equal(labels["phased-stack.project"], "phased-stack", name);
      assert.equal(labels["phased-stack.stack"], "staging", name);
      assert.ok(labels["phased-stack.service"], name);
    }
  });

  it("protects data outside dev, and only there", async () => {
    const dev = (await run({})).recorder.get("database-data");
    assert.deepEqual([dev.protect, dev.retainOnDelete], [false, false]);
    const prod = (await run({}, "prod")).recorder.get("database-data");
    assert.deepEqual([prod.protect, prod.retainOnDelete], [true, true]);
  });

  it("B14 scaling adds instances and changes nothing else", async () => {
    const one = (await run({ appInstances: "1" })).recorder;
    const three = (await run({ appInstances: "3" })).recorder;
    const added = three.names().filter((name) => !one.names().includes(name));
    assert.deepEqual(added, ["app-1", "app-2"]);
    for (const before of one.resources) assert.deepEqual(three.get(before.name).inputs, before.inputs, before.name);
  });

  it("the same sources give the same registrations: a second up has nothing to do", async () => {
    const [first, second] = [(await run({})).recorder, (await run({})).recorder];
    const inputsOf = (recorder: Recorder) => Object.fromEntries(recorder.resources.map(({ urn, inputs }) => [urn, inputs]));
    assert.deepEqual(inputsOf(second), inputsOf(first));
  });

  it("runs an own image instead of the bundled app, and pulls it only when it is missing", async () => {
    const { recorder } = await run({ image: "registry.example.com/team/app:1.2.3" });
    assert.deepEqual(recorder.get("app-image-remote").inputs, { name: "registry.example.com/team/app:1.2.3", keepLocally: true });
    assert.equal(recorder.get("app-0").inputs["image"], "registry.example.com/team/app:1.2.3");
    assert.ok((recorder.get("app-0").inputs["envs"] as string[]).includes("APP_VERSION=1.2.3"));
    assert.ok(!recorder.names().includes("app-image-build"));
  });

  it("shows the compiler's message, and registers nothing, when the app does not compile", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-program-"));
    const before = process.cwd();
    mkdirSync(path.join(directory, "app/src"), { recursive: true });
    writeFileSync(path.join(directory, "app/src/main.ts"), "const = 1;");
    process.chdir(directory);
    try {
      const { message, recorder } = await refusal({});
      assert.match(message, /the app in app\/ cannot be bundled: .*src\/main\.ts:1:6: ERROR: Expected identifier/s);
      assert.deepEqual(recorder.names(), []);
    } finally {
      process.chdir(before);
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("registers nothing when the configuration is bad, Docker is unreachable or the host too small", async () => {
    const refused: [Record<string, string>, RegExp][] = [
      [{ "phased-stack:port": "0" }, /phased-stack:port is "0"/],
      [{ "docker:host": "unix:///nowhere/docker.sock" }, /Docker is not reachable at unix:\/\/\/nowhere\/docker\.sock/],
      [{ "phased-stack:appCpus": "3" }, /appCpus is 3; allowed: at most 2/],
    ];
    for (const [config, expected] of refused) {
      const { message, recorder } = await refusal(config);
      assert.match(message, expected);
      assert.deepEqual(recorder.names(), []);
    }
  });
});
