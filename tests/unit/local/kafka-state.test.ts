import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import fc from "fast-check";
import { parseBrokerState, type BrokerState } from "../../../toolchain/lib/kafka-status";

const PROGRAM = path.resolve(__dirname, "../../../components/local/kafka/broker-state.awk");

/** An answer to Metadata, version 1, without its length: as the protocol's guide lays it down. */
function answer({ brokers, partitions }: Pick<BrokerState, "brokers" | "partitions">): Buffer {
  const short = (value: number): Buffer => {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    return bytes;
  };
  const integer = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const text = (value: string | null): Buffer => (value === null ? short(-1) : Buffer.concat([short(value.length), Buffer.from(value)]));
  const list = <Item>(items: readonly Item[], one: (item: Item) => Buffer): Buffer =>
    Buffer.concat([integer(items.length), ...items.map(one)]);
  const topics = [...new Set(partitions.map(({ topic }) => topic))];
  return Buffer.concat([
    integer(0),
    list(brokers, (id) => Buffer.concat([integer(id), text("127.0.0.1"), integer(9096), text(id % 2 === 0 ? null : "rack")])),
    integer(1),
    list(topics, (name) =>
      Buffer.concat([
        short(0),
        text(name),
        Buffer.from([name.startsWith("__") ? 1 : 0]),
        list(
          partitions.filter(({ topic }) => topic === name),
          ({ partition, leader, replicas, inSync }) =>
            Buffer.concat([short(leader < 0 ? 5 : 0), integer(partition), integer(leader), list(replicas, integer), list(inSync, integer)]),
        ),
      ]),
    ),
  ]);
}

/** Runs the program on bytes, as `od -An -v -tu1` prints them. */
function awk(bytes: Buffer, variables: Readonly<Record<string, string | number>>): { code: number | null; out: string; error: string } {
  const rows = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => bytes.subarray(16 * row, 16 * row + 16));
  const lines = rows.map((row) => Array.from(row, (one) => ` ${one}`).join(""));
  const set = Object.entries(variables).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
  const { status, stdout, stderr } = spawnSync("awk", [...set, "-f", PROGRAM], { input: `${lines.join("\n")}\n`, encoding: "utf8" });
  return { code: status, out: stdout, error: stderr };
}

const ids = fc.subarray([1, 2, 3]);
const cluster = fc
  .record({
    brokers: fc.subarray([1, 2, 3], { minLength: 1 }),
    topics: fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9._-]{1,40}$/), { maxLength: 4 }),
    partitions: fc.array(fc.record({ leader: fc.constantFrom(-1, 1, 2, 3, 70_000), replicas: ids, inSync: ids }), { maxLength: 20 }),
  })
  .map(({ brokers, topics, partitions }) => ({
    brokers,
    // A topic's partitions are together, as a broker lists them.
    partitions: topics.flatMap((topic) => partitions.map((one, partition) => ({ topic, partition, ...one }))),
  }));

describe("B5 what a broker tells of its cluster", () => {
  it("B5 an answer of Kafka's protocol is read as it was meant (property)", () => {
    fc.assert(
      fc.property(cluster, fc.constantFrom(1, 2, 3), (given, own) => {
        const { code, out, error } = awk(answer(given), { own, mode: "json", settled: 0 });
        assert.equal(code, 0, error);
        assert.deepEqual(parseBrokerState(out), { broker: own, ...given });
      }),
      { numRuns: 60 },
    );
  });

  it("B5 healthy is who takes part, and until it has caught up once, whose every copy is in sync (property)", () => {
    fc.assert(
      fc.property(cluster, fc.constantFrom(1, 2, 3), fc.boolean(), (given, own, settled) => {
        const { code, out } = awk(answer(given), { own, mode: "healthy", settled: Number(settled) });
        const behind = given.partitions.some(({ replicas, inSync }) => replicas.includes(own) && !inSync.includes(own));
        assert.equal(code === 0, given.brokers.includes(own) && (settled || !behind));
        assert.equal(out, "");
      }),
      { numRuns: 60 },
    );
  });

  it("an answer that was cut off is an error, wherever it ends, and never a state (property)", () => {
    const partitions = [{ topic: "company-events", partition: 0, leader: 1, replicas: [1, 2, 3], inSync: [1, 2, 3] }];
    const whole = answer({ brokers: [1, 2, 3], partitions });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length - 1 }), fc.constantFrom("json", "healthy"), (length, mode) => {
        const { code, out, error } = awk(whole.subarray(0, length), { own: 1, mode, settled: 1 });
        assert.equal(code, 1);
        assert.equal(out, "");
        assert.match(error, /^broker-state: the answer is too short/);
      }),
      { numRuns: 40 },
    );
  });
});
