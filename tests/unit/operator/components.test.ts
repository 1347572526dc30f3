import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { PostgresOperator, type PostgresOperatorArgs, postgresOperatorContext } from "../../../components/local/postgres-operator";
import { PostgresProxy, PROXY_DRAIN_SECONDS } from "../../../components/local/postgres-proxy";
import { type ContextFile, contextTag } from "../../../components/local/image/context-hash";
import { Recorder, settled } from "../../support/pulumi-mocks";

const NODES = ["pg-1", "pg-2", "pg-3"];

const PROGRAM: ContextFile[] = [{ path: "Dockerfile", content: Buffer.from("FROM scratch"), executable: false }];

describe("A8 F2 proxy and operator as components", () => {
  let recorder: Recorder;
  let directory: string;
  beforeEach(async () => {
    recorder = await Recorder.install();
    directory = mkdtempSync(path.join(tmpdir(), "phased-operator-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const common = () => ({ networkName: "net-1", platform: "linux/amd64", contextDirectory: directory });

  const operator = (program: readonly ContextFile[], changes: Partial<PostgresOperatorArgs> = {}): PostgresOperator =>
    new PostgresOperator("operator", {
      ...common(),
      program,
      etcdHosts: ["etcd-1"],
      nodes: NODES,
      patroniPassword: pulumi.secret("password of Patroni"),
      monitorPassword: pulumi.secret("password of the monitor"),
      pgbouncer: { host: "pgbouncer", port: 6432, operatorPassword: pulumi.secret("password of the operator") },
      ...changes,
    });

  it("A8 the proxy is replaced without a gap: the new one is healthy before the old one ends, which then has time to drain", async () => {
    const proxy = new PostgresProxy("proxy", { ...common(), nodes: NODES });
    await settled();
    const { inputs, deleteBeforeReplace } = recorder.get("proxy-container");
    assert.equal(deleteBeforeReplace, false);
    assert.equal(inputs["wait"], true);
    assert.ok((inputs["destroyGraceSeconds"] as number) > PROXY_DRAIN_SECONDS);
    assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: [proxy.host] }]);
    assert.equal(inputs["ports"], undefined);
    assert.equal(inputs["readOnly"], true);
    assert.deepEqual(inputs["dnsOpts"], ["ndots:1"]);
  });

  it("A8 another node or lag is another image of the proxy; its memory follows from its connections", async () => {
    const tags = [
      new PostgresProxy("one", { ...common(), nodes: NODES }),
      new PostgresProxy("two", { ...common(), nodes: NODES.slice(0, 2) }),
      new PostgresProxy("three", { ...common(), nodes: NODES, maxLagMb: 1 }),
      new PostgresProxy("four", { ...common(), nodes: NODES, maxConnections: 3000 }),
    ].map((proxy) => proxy.nodes.image.version);
    await settled();
    assert.equal(new Set(tags).size, tags.length);
    assert.ok((recorder.get("four-container").inputs["memory"] as number) > (recorder.get("one-container").inputs["memory"] as number));
  });

  it("B4 the operator's passwords come as files; nothing plain has them", async () => {
    operator(PROGRAM);
    await settled();
    const container = recorder.get("operator-container");
    assert.equal(container.deleteBeforeReplace, false);
    assert.equal(container.inputs["readOnly"], true);
    assert.equal(container.inputs["ports"], undefined);
    // Checkpoint, pause and hand-over may take 7, 7 and 15 s; killed in the middle, it leaves writes held back.
    assert.ok(Number(container.inputs["destroyGraceSeconds"]) > 7 + 7 + 15 + 10);
    const uploads = recorder.get("operator-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
    assert.deepEqual(uploads.map(({ content }) => content).sort(), [
      "password of Patroni",
      "password of the monitor",
      "password of the operator",
    ]);
    const files = (container.inputs["envs"] as string[]).filter((env) => env.includes("_FILE=")).map((env) => env.split("=")[1]);
    assert.deepEqual(files.sort(), uploads.map(({ file }) => file).sort());
    for (const resource of recorder.resources) assert.ok(!resource.plain.includes("password of"), resource.name);
  });

  it("B14 an operator without nodes or without etcd is refused", () => {
    assert.throws(() => operator(PROGRAM, { nodes: [] }), /^RangeError: nodes: \[\] is not allowed; give/);
    assert.throws(() => operator(PROGRAM, { etcdHosts: [] }), /^RangeError: etcdHosts: \[\] is not allowed; give/);
  });

  it("A8 its image is one bundled program, the same for every checkout", async () => {
    const files = await postgresOperatorContext(path.join(directory, "kept"));
    assert.deepEqual(files.map((file) => file.path).sort(), ["Dockerfile", "main.js", "paced-check.sh"]);
    const program = Buffer.from(files.find((file) => file.path === "main.js")!.content).toString();
    assert.ok(!program.includes(path.resolve(__dirname, "../../..")), "a path of this machine is in it");
    assert.equal(contextTag(await postgresOperatorContext(path.join(directory, "kept"))), contextTag(files), "kept");
    assert.equal(contextTag(await postgresOperatorContext()), contextTag(files), "made anew");
  });
});
