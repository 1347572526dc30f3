import assert from "node:assert/strict";
import { parse } from "yaml";
import { composeFile, type ComposeInput, type InspectedContainer } from "../../../toolchain/bench/compose";

const BASE: InspectedContainer = {
  Name: "/bench-app-1a2b",
  Config: {
    Image: "phased-stack/app:3f9a",
    User: "1000:1000",
    Env: ["PATH=/usr/bin", "PORT=3001", "SECRET_FILE=/run/secrets/session_secret"],
    Cmd: ["node", "main.js"],
    Entrypoint: ["/usr/bin/tini", "--"],
    StopTimeout: 45,
    Healthcheck: { Test: ["CMD", "node", "main.js", "healthcheck"], Interval: 2e9, Timeout: 1.5e9, Retries: 3 },
  },
  HostConfig: {
    Memory: 512 * 1024 ** 2,
    MemorySwap: 512 * 1024 ** 2,
    NanoCpus: 1.5e9,
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges:true"],
    Tmpfs: { "/tmp": "rw,size=64m" },
    Ulimits: [{ Name: "nofile", Soft: 65536, Hard: 65536 }],
    RestartPolicy: { Name: "unless-stopped", MaximumRetryCount: 0 },
    LogConfig: { Type: "json-file", Config: { "max-size": "10m" } },
    PortBindings: {},
  },
  Mounts: [
    { Type: "volume", Name: "bench-data", Destination: "/data", RW: true },
    { Type: "volume", Name: "bench-secrets", Destination: "/run/secrets", RW: false },
  ],
  NetworkSettings: { Networks: { "bench-net": { Aliases: ["app", "0123456789ab"] }, bridge: { Aliases: null } } },
};

const OPTIONS = {
  project: "bench-compose",
  labels: { "phased-stack.stack": "bench-compose" },
  files: { "bench-secrets": "/tmp/x/bench-secrets" },
  port: 4001,
};

interface Parsed {
  name: string;
  services: Record<string, Record<string, unknown>>;
  networks: Record<string, unknown>;
  volumes: Record<string, unknown>;
}

function generate(...containers: InspectedContainer[]): Parsed {
  const inputs = containers.map((container, index): ComposeInput => ({
    container,
    service: `app-${index + 1}`,
    imageEnv: ["PATH=/usr/bin"],
  }));
  return parse(composeFile(inputs, OPTIONS)) as Parsed;
}

describe("compose file of a running stack", () => {
  it("runs the same image with the same limits, privileges and health check", () => {
    const { services } = generate(BASE);
    assert.deepEqual(services["app-1"], {
      image: "phased-stack/app:3f9a",
      labels: OPTIONS.labels,
      user: "1000:1000",
      entrypoint: ["/usr/bin/tini", "--"],
      command: ["node", "main.js"],
      environment: ["PORT=3001", "SECRET_FILE=/run/secrets/session_secret"],
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      mem_limit: 512 * 1024 ** 2,
      memswap_limit: 512 * 1024 ** 2,
      cpus: 1.5,
      ulimits: { nofile: { soft: 65536, hard: 65536 } },
      tmpfs: ["/tmp:rw,size=64m"],
      restart: "unless-stopped",
      logging: { driver: "json-file", options: { "max-size": "10m" } },
      stop_grace_period: "45s",
      healthcheck: { test: ["CMD", "node", "main.js", "healthcheck"], interval: "2000ms", timeout: "1500ms", retries: 3 },
      networks: { "network-1": { aliases: ["app"] } },
      volumes: ["volume-1:/data", "/tmp/x/bench-secrets:/run/secrets:ro"],
    });
  });

  it("shares networks and volumes between services, and labels what it makes", () => {
    const { services, networks, volumes } = generate(BASE, { ...BASE, Name: "/bench-app-2" });
    assert.deepEqual(Object.keys(services), ["app-1", "app-2"]);
    assert.deepEqual(services["app-1"]?.["volumes"], services["app-2"]?.["volumes"]);
    assert.deepEqual(networks, { "network-1": { labels: OPTIONS.labels } });
    assert.deepEqual(volumes, { "volume-1": { labels: OPTIONS.labels } });
  });

  it("publishes on a port of its own on the loopback address only", () => {
    const balancer: InspectedContainer = {
      ...BASE,
      HostConfig: { ...BASE.HostConfig, PortBindings: { "8080/tcp": [{ HostIp: "0.0.0.0", HostPort: "3001" }] } },
    };
    assert.deepEqual(generate(balancer).services["app-1"]?.["ports"], ["127.0.0.1:4001:8080"]);
  });

  it("leaves out what a container does not set", () => {
    const bare: InspectedContainer = {
      Name: "/x",
      Config: { Image: "debian:trixie-slim", Env: null, Cmd: null, Entrypoint: null },
      HostConfig: { Memory: 0, NanoCpus: 0, PidsLimit: null, RestartPolicy: { Name: "" }, LogConfig: { Type: "" } },
      Mounts: [],
      NetworkSettings: { Networks: {} },
    };
    assert.deepEqual(generate(bare).services["app-1"], { image: "debian:trixie-slim", labels: OPTIONS.labels });
  });
});
