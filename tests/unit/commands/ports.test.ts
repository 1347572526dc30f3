import assert from "node:assert/strict";
import type Docker from "dockerode";
import { loadConfig } from "../../../stacks/config";
import { hasGrafana, listeningInodes, otherPorts, publishedPorts } from "../../../toolchain/lib/docker-ports";

const config = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`phased-stack:${key}`, value]));

const publishing = (...ports: number[]): Docker.ContainerInfo[] =>
  ports.map(
    (PublicPort) => ({ Ports: [{ PublicPort, PrivatePort: 80, Type: "tcp", IP: "127.0.0.1" }] }) as unknown as Docker.ContainerInfo,
  );

describe("ports of the Docker host", () => {
  it("A13 a stack publishes its own, with monitoring three more, and with TLS perhaps another one", () => {
    const ports = (values: Readonly<Record<string, string>>): string[] =>
      publishedPorts(config(values)).map(({ key, port }) => `${key} ${port}`);
    assert.deepEqual(ports({}), ["port 3001"]);
    assert.deepEqual(ports({ port: "80", httpRedirectPort: "81", prometheusPort: "9", monitoring: "false" }), ["port 80"]);
    assert.deepEqual(ports({ port: "443", httpRedirectPort: "80", tls: "generated" }), ["port 443", "httpRedirectPort 80"]);
    const monitored = ["port 3001", "prometheusPort 9190", "alertmanagerPort 9093", "grafanaPort 3000"];
    assert.deepEqual(ports({ monitoring: "true", prometheusPort: "9190" }), monitored);
    assert.deepEqual(ports({ port: "many" }), [], "the program says what is wrong with it");
  });

  it("A13 they are the ones that the program takes where nothing is said", () => {
    const values = config({ phase: "cluster", monitoring: "true" });
    const program = loadConfig({ project: "phased-stack", stack: "dev", values, isSecret: () => false });
    for (const { key, port } of publishedPorts(values)) assert.equal(program[key], port, key);
  });

  it("taken ones are given up for some that nobody has, this stack neither", () => {
    const own = publishedPorts(config({ monitoring: "true" }));
    const others = (taken: readonly string[], ...published: number[]): string =>
      otherPorts(
        own.filter(({ key }) => taken.includes(key)),
        own,
        publishing(...published),
      ).join(" ");
    assert.equal(others(["prometheusPort"], 9090), "--config prometheusPort=9091");
    assert.equal(others(["prometheusPort"], 9090, 9091, 9092), "--config prometheusPort=9094", "9093 is its own Alertmanager's");
    // Two stacks that say nothing: after 3000 comes 3001, and after both 3002.
    assert.equal(others(["port", "grafanaPort"], 3000, 3001), "--config port=3002 --config grafanaPort=3003");
  });

  it("B9 Grafana's matters where the stack has one already, also without its base image, or where the engine has the image", async () => {
    const docker = (images: readonly object[]) => ({ listImages: () => Promise.resolve(images as Docker.ImageInfo[]) });
    const state = (...types: string[]) => ({
      deployment: { resources: types.map((type) => ({ urn: `urn:pulumi:dev::phased-stack::${type}::grafana`, type })) },
    });
    assert.equal(await hasGrafana(docker([]), state("docker:index/network:Network", "phased-stack:local:Grafana")), true);
    assert.equal(await hasGrafana(docker([{}]), {}), true);
    assert.equal(await hasGrafana(docker([]), state("docker:index/network:Network")), false);
  });

  it("the holder of a port is found in /proc/net/tcp", () => {
    const table = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100",
      "   1: 0100007F:0BB9 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 888 1 0 100",
      "   2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 999 1 0 100",
    ].join("\n");
    assert.deepEqual(listeningInodes(table, 3001), ["777"], "only listeners, not connections");
    assert.deepEqual(listeningInodes(table, 80), []);
  });
});
