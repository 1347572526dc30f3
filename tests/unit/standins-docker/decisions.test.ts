import assert from "node:assert/strict";
import fc from "fast-check";

import { sshArguments } from "../../../toolchain/standins/docker/client";
import { configProblems, readConfig } from "../../../toolchain/standins/docker/config";
import { dockerCpus } from "../../../components/local/common";
import { decimalCpus } from "../../../toolchain/standins/docker/container/read";
import { durationText, nanoseconds } from "../../../toolchain/standins/docker/container/durations";
import { ignoreMatcher, parseIgnore } from "../../../toolchain/standins/docker/image/ignore";
import { diffImage } from "../../../toolchain/standins/docker/image/check";
import { containerSchema } from "../../../toolchain/standins/docker/schema/container";
import { operationTimeout } from "../../../toolchain/standins/docker/resource";
import { decide } from "../../../toolchain/standins/docker/schema/diff";
import { networkSchema } from "../../../toolchain/standins/docker/schema/resources";
import { UNKNOWN, type Properties } from "../../../toolchain/standins/shared/values";

describe("docker stand-in: decisions", () => {
  /** What Docker fills in and every container that was read back has in its state. */
  const readBack: Properties = { command: [], entrypoints: [] };
  const given: Properties = {
    image: "i",
    name: "n",
    restart: "no",
    memory: 64,
    envs: ["A=1", "B=2"],
    labels: [{ label: "a", value: "b" }],
  };
  const base: Properties = { ...readBack, ...given };

  it("CPUs read back as the official plugin spells them, which is how components give them (property)", () => {
    for (const [cpus, text] of [
      [1, "1.0"],
      [10, "10."],
      [0.5, "0.5"],
      [1.25, "1.25"],
    ] as const) {
      assert.equal(decimalCpus(cpus * 1e9), text);
    }
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 100_000 }), (hundredths) => {
        const given = dockerCpus(hundredths / 100);
        assert.equal(decimalCpus(Number(given) * 1e9), given);
        // Rounded where the plugin rounds, and only there; to what is not more.
        const less = hundredths / 100 - Number(given);
        if (Number(decimalCpus(hundredths * 1e7)) === hundredths / 100) assert.ok(Math.abs(less) < 1e-9, given);
        assert.ok(less > -1e-9 && less < 0.1, given);
      }),
      { examples: [[10_025], [20_075], [1000], [1005], [11_010]] },
    );
  });

  it("a container that was never read back, because it could not be started, is replaced", () => {
    const { changes, deleteBeforeReplace } = decide(containerSchema, given, given, []);
    assert.deepEqual([...changes.keys()], ["command", "entrypoints"]);
    assert.ok([...changes.values()].every((change) => change.replace));
    assert.equal(deleteBeforeReplace, true);
  });

  it("sets do not care for order, lists do", () => {
    assert.equal(decide(containerSchema, base, { ...base, envs: ["B=2", "A=1"] }, []).changes.size, 0);
    const state = { ...base, command: ["a", "b"] };
    assert.deepEqual(
      [...decide(containerSchema, state, { ...state, command: ["b", "a"] }, []).changes.keys()],
      ["command[0]", "command[1]"],
    );
  });

  it("any inputs are no change against themselves", () => {
    const value = fc.record(
      {
        image: fc.string(),
        memory: fc.nat(),
        init: fc.boolean(),
        command: fc.array(fc.string()),
        envs: fc.array(fc.string()),
        tmpfs: fc.dictionary(fc.string(), fc.string()),
        ports: fc.array(fc.record({ internal: fc.nat(), external: fc.nat() })),
        labels: fc.array(fc.record({ label: fc.string(), value: fc.string() })),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(value, (inputs) => assert.equal(decide(containerSchema, { ...readBack, ...inputs }, inputs, []).changes.size, 0)),
    );
  });

  it("a value that is not known yet counts as a change, unless Docker may choose the property", () => {
    assert.equal(decide(containerSchema, base, { ...base, memory: UNKNOWN }, []).changes.get("memory")?.kind, "update");
    assert.equal(decide(containerSchema, base, { ...base, envs: UNKNOWN }, []).changes.size, 0);
    assert.equal(decide(containerSchema, base, { ...base, envs: ["A=1", UNKNOWN] }, []).changes.get("envs")?.replace, true);
  });

  it("a replacement deletes first when the program fixed the name, or for containers", () => {
    const state = { name: "n", internal: false };
    const news = { name: "n", internal: true };
    assert.equal(decide(networkSchema, state, news, []).deleteBeforeReplace, true);
    assert.equal(decide(networkSchema, state, news, ["name"]).deleteBeforeReplace, false);
    assert.equal(decide(containerSchema, base, { ...base, image: "j" }, ["name"]).deleteBeforeReplace, true);
    assert.equal(decide(containerSchema, base, { ...base, memory: 65 }, ["name"]).deleteBeforeReplace, false);
  });

  it("an image's registry password never rebuilds it", () => {
    const olds = { imageName: "a", registry: { server: "s", password: "old" } };
    assert.equal(diffImage(olds, { imageName: "a", registry: { server: "s", password: "new" } }).size, 0);
    assert.deepEqual([...diffImage(olds, { imageName: "a", registry: { server: "t" } })], [["registry", "update"]]);
  });
});

describe("docker stand-in: durations and .dockerignore", () => {
  it("durations are read and written as Go does", () => {
    for (const [text, expected] of [
      ["1m30s", 90e9],
      ["500ms", 5e8],
      ["1.5s", 1.5e9],
      ["1h", 3600e9],
      ["", 0],
    ] as const)
      assert.equal(nanoseconds(text), expected);
    assert.deepEqual([0, 5e8, 90e9, 3600e9, 1.5e9].map(durationText), ["0s", "500ms", "1m30s", "1h0m0s", "1.5s"]);
    fc.assert(fc.property(fc.integer({ min: 0, max: 86_400_000 }), (ms) => assert.equal(nanoseconds(durationText(ms * 1e6)), ms * 1e6)));
  });

  for (const [patterns, file, ignored] of [
    ["node_modules", "node_modules/x/y.js", true],
    ["node_modules", "sub/node_modules/x.js", false],
    ["**/node_modules", "sub/node_modules/x.js", true],
    ["*.md", "README.md", true],
    ["*.md", "docs/README.md", false],
    ["**/*.md\n!docs/keep.md", "docs/keep.md", false],
    ["!docs/keep.md\n**/*.md", "docs/keep.md", true],
    ["/build/", "build/out", true],
    ["a?c", "abc", true],
    ["[ab].txt", "b.txt", true],
    ["# comment\n\n  spaced  ", "spaced", true],
    ["docs/**", "docs/a/b", true],
    ["a.b", "aXb", false],
  ] as const) {
    it(`${JSON.stringify(patterns)} ${ignored ? "leaves out" : "keeps"} ${file}`, () => {
      assert.equal(ignoreMatcher(parseIgnore(patterns))(file), ignored);
    });
  }
});

describe("docker stand-in: settings", () => {
  it("docker:host before DOCKER_HOST before the default, with its origin", async () => {
    assert.deepEqual(
      await Promise.all([
        readConfig({ host: "tcp://a:1" }, { DOCKER_HOST: "tcp://b:1" }),
        readConfig({}, { DOCKER_HOST: "tcp://b:1" }),
        readConfig({}, {}),
      ]).then((configs) => configs.map(({ host, source }) => [host, source])),
      [
        ["tcp://a:1", "docker:host"],
        ["tcp://b:1", "DOCKER_HOST"],
        ["unix:///var/run/docker.sock", "default"],
      ],
    );
  });

  it("bad settings are named with what is allowed", () => {
    assert.match(configProblems({ host: "docker.example.com" })[0]!.reason, /docker:host is "docker\.example\.com".*ssh:\/\/user@host/);
    assert.match(configProblems({ hots: "x" })[0]!.reason, /docker:hots is not a setting.*allowed are host/);
  });

  it("ssh goes through the system's ssh with the given options, and cannot be given a command by the host's name", () => {
    const expected = [
      "-i",
      "key",
      "-o",
      "ConnectTimeout=30",
      "-l",
      "me",
      "-p",
      "2222",
      "-T",
      "--",
      "example.com",
      "docker",
      "system",
      "dial-stdio",
    ];
    assert.deepEqual(sshArguments("ssh://me@example.com:2222", ["-i", "key"]), expected);
  });
});

describe("docker stand-in: how long an operation may take", () => {
  it("what the resource says, else 20 minutes as Terraform's SDK, and image builds as long as they like", () => {
    assert.equal(operationTimeout("docker:index/container:Container", 90), 90);
    assert.equal(operationTimeout("docker:index/container:Container", 0), 1200);
    assert.equal(operationTimeout("docker:index/image:Image", 0), undefined);
    assert.equal(operationTimeout("docker:index/image:Image", 30), 30);
  });
});
