import assert from "node:assert/strict";
import { mock } from "node:test";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { LABELS } from "../../../toolchain/lib/docker";
import { canary, type Recorder, valueOf } from "../../support/pulumi-mocks";
import { databaseProgram, envsOf } from "./database-support";
import { CONTAINER, FROZEN_URNS, MONITORING_URNS, urns } from "./database-urns";
import { programRig } from "./support";

describe("phase database with monitoring", function () {
  this.timeout(60_000);
  const program = databaseProgram();

  it("A13 B8 with monitoring it has Prometheus, Alertmanager, Grafana and exporters, published for the host alone; all else stays as it is", async () => {
    // Given sizes: what is planned gives way for it.
    const sizes = { postgresMemoryMb: "600", jobsMemoryMb: "400", redisCacheMb: "64", redisLimitsMb: "32" };
    const { recorder: without } = await program.run(sizes);
    const { recorder, outputs } = await program.run({ ...sizes, monitoring: "true", prometheusPort: "9190" });
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), urns([...FROZEN_URNS, ...MONITORING_URNS]));
    assert.equal(await valueOf(outputs["prometheusUrl"]!), "http://127.0.0.1:9190");
    // The app gets the memory that is left; that is changed in place.
    for (const before of without.resources.filter(({ name }) => !/^app-\d$/.test(name)))
      assert.deepEqual(recorder.get(before.name).inputs, before.inputs, before.name);
    const ports = recorder.ofType(CONTAINER).flatMap(({ inputs }) => (inputs["ports"] ?? []) as { external: number; ip: string }[]);
    assert.deepEqual(ports.map(({ external, ip }) => `${ip}:${external}`).sort(), [
      "127.0.0.1:3000",
      "127.0.0.1:3001",
      "127.0.0.1:9093",
      "127.0.0.1:9190",
    ]);
    for (const resource of recorder.resources)
      assert.ok(!resource.plain.includes(canary("postgres-secrets-monitor")), `${resource.name} shows the password of monitor`);
    const uploads = recorder.get("exporters-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
    assert.ok(uploads.every(({ content }) => content.includes(canary("postgres-secrets-monitor"))));
  });

  it("B8 what is measured is kept for as long and on as much disk as is said, whichever is reached first", async () => {
    for (const [config, flags] of [
      [{}, ["--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size=2048MB"]],
      [
        { metricsRetentionDays: "3", metricsRetentionMb: "512" },
        ["--storage.tsdb.retention.time=3d", "--storage.tsdb.retention.size=512MB"],
      ],
    ] as const) {
      const { recorder } = await program.run({ monitoring: "true", ...config });
      const command = recorder.get("prometheus-container").inputs["command"] as string[];
      assert.deepEqual(
        command.filter((flag) => flag.includes("retention")),
        flags,
      );
    }
  });

  it("B9 Grafana's address and the password of its admin are outputs; the password is a file, and in plain nowhere", async () => {
    const { recorder, outputs } = await program.run({ monitoring: "true", grafanaPort: "3100" });
    assert.equal(await valueOf(outputs["grafanaUrl"]!), "http://127.0.0.1:3100");
    const password = canary("grafana-secrets-admin-password");
    assert.equal(await valueOf(outputs["grafanaPassword"]!), password);
    assert.equal(envsOf(recorder, "grafana-container")["GF_SECURITY_ADMIN_PASSWORD__FILE"], "/run/secrets/admin_password");
    for (const resource of recorder.resources) assert.ok(!resource.plain.includes(password), resource.name);
  });

  it("B9 without an image of Grafana there is none, and nothing that pretends to be it; all else of the monitoring is there", async () => {
    const poor = await programRig(8192, false);
    try {
      const { recorder, outputs } = await poor.run({ phase: "database", monitoring: "true" });
      assert.deepEqual(
        recorder.names().filter((name) => name.includes("grafana")),
        [],
      );
      assert.deepEqual([await valueOf(outputs["grafanaUrl"]!), await valueOf(outputs["grafanaPassword"]!)], ["", ""]);
      assert.equal(await valueOf(outputs["prometheusUrl"]!), "http://127.0.0.1:9090");
      assert.ok(recorder.names().includes("prometheus-container"));
    } finally {
      await poor.close();
    }
  });

  it("B9 a Grafana that is there stays as it is while no registry answers, and so do all sizes", async () => {
    const config = { phase: "database", monitoring: "true" };
    const [rich, poor] = [await programRig(8192), await programRig(8192, false)];
    try {
      const { recorder: before } = await rich.run(config);
      poor.hasGrafanaVolume = true;
      const { recorder: after } = await poor.run(config);
      assert.ok(after.names().includes("grafana-data"));
      assert.deepEqual(
        after.resources.map(({ urn, inputs }) => [urn, inputs]),
        before.resources.map(({ urn, inputs }) => [urn, inputs]),
      );
      // What has no image to run leaves no volume, by which later updates would take it for a Grafana that is there.
      assert.ok(after.get("grafana-data").dependencies.some((urn) => urn.includes("grafana-image")));
    } finally {
      await rich.close();
      await poor.close();
    }
  });

  it("B8 with an image of one's own a preview says that no alert tells of Kafka", async () => {
    const info = mock.method(pulumi.log, "info", () => Promise.resolve());
    try {
      for (const [config, expected] of [
        [{ image: "shop/app:1.0", kafka: "true" }, true],
        [{ image: "shop/app:1.0" }, false],
        [{ kafka: "true" }, false],
      ] as const) {
        info.mock.resetCalls();
        await program.run({ monitoring: "true", ...config });
        const said = info.mock.calls.some(({ arguments: [line = ""] }) => line.startsWith("no alert tells that Kafka is away"));
        assert.equal(said, expected, JSON.stringify(config));
      }
    } finally {
      info.mock.restore();
    }
  });

  /** With monitoring and addresses, as secrets. */
  const withAddresses = (given: Readonly<Record<string, string>>): ReturnType<typeof program.run> => {
    process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(given).map((key) => `phased-stack:${key}`));
    return program.run({ monitoring: "true", ...given }).finally(() => {
      delete process.env["PULUMI_CONFIG_SECRET_KEYS"];
    });
  };

  it("B8 the addresses of webhook and heartbeat are files that Alertmanager alone sees, and are in plain nowhere", async () => {
    const webhook = "https://alerts.example.com/hooks/canary-of-the-webhook";
    const heartbeat = "https://heartbeats.example.com/canary-of-the-heartbeat";
    for (const [given, files] of [
      [{ alertWebhookUrl: webhook }, [["/run/secrets/webhook_url", webhook]]],
      [{ alertHeartbeatUrl: heartbeat }, [["/run/secrets/heartbeat_url", heartbeat]]],
      [
        { alertWebhookUrl: webhook, alertHeartbeatUrl: heartbeat },
        [
          ["/run/secrets/heartbeat_url", heartbeat],
          ["/run/secrets/webhook_url", webhook],
        ],
      ],
    ] as const) {
      const { recorder } = await withAddresses(given);
      const uploads = recorder.get("alertmanager-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
      assert.deepEqual(
        uploads.map(({ file, content }) => [file, content]),
        files,
      );
      const names = recorder.names().filter((name) => name.startsWith("alertmanager-secrets"));
      assert.deepEqual(names.sort(), ["alertmanager-secrets", "alertmanager-secrets-volume", "alertmanager-secrets-writer"]);
      for (const resource of recorder.resources)
        for (const address of Object.values(given)) assert.ok(!resource.plain.includes(address), resource.name);
    }
  });

  it("B8 a preview says that nobody would notice, unless there is a heartbeat; without monitoring there is nothing to say", async () => {
    const info = mock.method(pulumi.log, "info", () => Promise.resolve());
    try {
      const said = (): boolean => {
        const lines = info.mock.calls.map(({ arguments: [line] }) => line);
        info.mock.resetCalls();
        return lines.some(
          (line = "") => line.startsWith("nobody notices when the whole host") && line.includes("set --secret alertHeartbeatUrl "),
        );
      };
      await program.run({ monitoring: "true" });
      assert.equal(said(), true);
      await withAddresses({ alertHeartbeatUrl: "https://heartbeats.example.com/TOKEN" });
      assert.equal(said(), false);
      await program.run({});
      assert.equal(said(), false);
    } finally {
      info.mock.restore();
    }
  });

  it("B8 a heartbeat changes no resource but Alertmanager's; without one its container is what it was", async () => {
    const webhook = { alertWebhookUrl: "https://alerts.example.com/hooks/TOKEN" };
    const { recorder: without } = await withAddresses(webhook);
    const { recorder } = await withAddresses({ ...webhook, alertHeartbeatUrl: "https://heartbeats.example.com/TOKEN" });
    assert.deepEqual(recorder.names().sort(), without.names().sort());
    const changed = without.resources.filter(({ name, inputs }) => !isDeepStrictEqual(recorder.get(name).inputs, inputs));
    assert.deepEqual(
      changed.map(({ name }) => name).filter((name) => !name.startsWith("alertmanager-")),
      [],
    );
    const container = (from: Recorder): { command: string[]; labels: { label: string }[] } =>
      from.get("alertmanager-container").inputs as { command: string[]; labels: { label: string }[] };
    const labelled = (from: Recorder): boolean => container(from).labels.some(({ label }) => label === LABELS.heartbeat);
    assert.deepEqual([container(without).command, labelled(without)], [["--web.external-url=http://127.0.0.1:9093"], false]);
    // By that the rules tell what was not handed over to whom, and status that there is one.
    assert.deepEqual([container(recorder).command.slice(1), labelled(recorder)], [["--enable-feature=receiver-name-in-metrics"], true]);
  });
});
