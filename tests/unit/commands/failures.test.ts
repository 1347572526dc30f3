import assert from "node:assert/strict";
import { explainFailure, type FailureContext, type KnownFailure } from "../../../toolchain/lib/update-failures";

const context: FailureContext = { stack: "dev", configSet: (key, value) => `pulumi config set ${key} ${value}` };

/** Texts as the programs print them, with the version they were seen in or read from. */
const SAMPLES: readonly { what: string; text: string; kind: KnownFailure["kind"]; port?: number; sentence?: RegExp; fix?: RegExp }[] = [
  {
    what: "Docker 20.10, port of another container",
    text: "driver failed programming external connectivity on endpoint dev-lb (8f2c): Bind for 127.0.0.1:3001 failed: port is already allocated",
    kind: "port",
    port: 3001,
  },
  {
    what: "Docker 20.10, port of a process",
    text: "Error starting userland proxy: listen tcp4 127.0.0.1:3456: bind: address already in use",
    kind: "port",
    port: 3456,
  },
  {
    what: "Docker 28, port of a process",
    text: "failed to bind host port for 127.0.0.1:8080:172.18.0.3:8080/tcp: address already in use",
    kind: "port",
    port: 8080,
  },
  {
    what: "Docker Desktop",
    text: "Ports are not available: exposing port TCP 0.0.0.0:3001 -> 0.0.0.0:0: listen tcp 0.0.0.0:3001: bind: address already in use",
    kind: "port",
    port: 3001,
  },
  { what: "IPv6 port", text: "Bind for :::3001 failed: port is already allocated", kind: "port", port: 3001 },
  {
    what: "Docker CLI without a daemon",
    text: "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    kind: "docker",
    sentence: /does not answer/,
  },
  {
    what: "no right to the socket",
    text: "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    kind: "docker",
    sentence: /may not use/,
    fix: /group docker/,
  },
  { what: "dockerode without a daemon", text: "connect ENOENT /var/run/docker.sock", kind: "docker" },
  {
    what: "bridge of Docker gone",
    text: "failed to create endpoint x on network bridge: adding interface veth8 to bridge docker0 failed: could not find bridge docker0: route ip+net: no such network interface",
    kind: "docker",
    sentence: /network docker0 is gone/,
  },
  { what: "full disk", text: "write /var/lib/docker/tmp/x: no space left on device", kind: "disk", fix: /docker system df/ },
  {
    what: "wrong passphrase",
    text: "error: getting secrets manager: incorrect passphrase",
    kind: "passphrase",
    fix: /PULUMI_CONFIG_PASSPHRASE/,
  },
  {
    what: "locked stack",
    text: "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end",
    kind: "locked",
    sentence: /stack dev/,
  },
  {
    what: "bad configuration",
    text: "the configuration of stack dev has 2 problems:\n  - phased-stack:port is 0; allowed: …",
    kind: "config",
    fix: /npm run up|config set KEY VALUE/,
  },
  {
    what: "image without a health check",
    text: "* you have supplied a 'wait' argument, but the container does not have a healthcheck defined. Please remove the 'wait' argument",
    kind: "image",
    sentence: /HEALTHCHECK/,
  },
  {
    what: "protected volume",
    text: 'resource "urn:x" cannot be deleted\nbecause it is protected.',
    kind: "protected",
    fix: /^Undo the change .* with the change undone pulumi config set protect false, then the change again, then pulumi config set protect true$/,
  },
  { what: "unknown image", text: "pull access denied for nowhere/app, repository does not exist", kind: "image", fix: /config set image/ },
];

describe("known failures of an update", () => {
  for (const sample of SAMPLES) {
    it(`${sample.what} is explained as ${sample.kind}`, () => {
      const failure = explainFailure(`updating (dev):\n  error: ${sample.text}\n`, context);
      assert.ok(failure, "not recognised");
      assert.equal(failure.kind, sample.kind);
      assert.equal(failure.port, sample.port);
      if (sample.sentence) assert.match(failure.sentence, sample.sentence);
      if (sample.fix) assert.match(failure.fix, sample.fix);
    });
  }

  it("of npm run down what is protected is let go for good", () => {
    const failure = explainFailure("resource cannot be deleted because it is protected.", {
      ...context,
      destroy: "npm run down -- --stack shop",
    });
    assert.equal(failure?.fix, "If it shall go: pulumi config set protect false, then npm run down -- --stack shop");
  });

  it("recognises a text that Pulumi coloured", () => {
    const failure = explainFailure(
      "\u001b[31merror:\u001b[0m Bind for 0.0.0.0:\u001b[1m3001\u001b[0m failed: port is already allocated",
      context,
    );
    assert.equal(failure?.port, 3001);
  });

  it("names the unhealthy container, so that its log can be shown", () => {
    const failure = explainFailure('container "dev-app-runtime-0-1a2b3c4" did not become healthy within 60 s (unhealthy)', context);
    assert.equal(failure?.kind, "unhealthy");
    assert.deepEqual(failure.containers, ["dev-app-runtime-0-1a2b3c4"]);
  });

  it("takes a port conflict for the cause when a container is reported unhealthy because of it", () => {
    const failure = explainFailure("container x-lb unhealthy\nBind for 127.0.0.1:3001 failed: port is already allocated", context);
    assert.equal(failure?.kind, "port");
  });

  it("does not guess at a failure it does not know", () => {
    assert.equal(explainFailure("error: TypeError: x is not a function", context), undefined);
    assert.equal(explainFailure("", context), undefined);
  });
});
