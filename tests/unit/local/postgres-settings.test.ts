import assert from "node:assert/strict";
import fc from "fast-check";
import { LEAST_CONNECTIONS, postgresMemory, postgresSettings, type PostgresSettings } from "../../../components/local/postgres";
import { unlessRefused } from "./odd-text";

const UNITS: Readonly<Record<string, number>> = { kB: 1 / 1024, MB: 1, GB: 1024 };

/** A size of the settings in MiB. */
function megabytes(settings: PostgresSettings, name: string): number {
  const [, number, unit] = /^(\d+)(kB|MB|GB)$/.exec(settings[name] ?? "") ?? [];
  assert.ok(number !== undefined && unit !== undefined, `${name} = ${settings[name]}`);
  return Number(number) * UNITS[unit]!;
}

const sizing = fc.record({ memoryMb: fc.integer({ min: 128, max: 64 * 1024 }), maxConnections: fc.integer({ min: 25, max: 2000 }) });

describe("A7 settings of Postgres", () => {
  it("A7 all connections sorting beside all maintenance stay within the container's memory (property)", () => {
    let fitting = 0;
    fc.assert(
      fc.property(sizing, ({ memoryMb, maxConnections }) => {
        const settings = unlessRefused(() => postgresMemory({ memoryMb, maxConnections }));
        if (settings === undefined) return;
        fitting += 1;
        const shared = megabytes(settings, "shared_buffers");
        const maintenance =
          megabytes(settings, "maintenance_work_mem") +
          Number(settings["autovacuum_max_workers"]) * megabytes(settings, "autovacuum_work_mem");
        // An idle connection has about 2 MiB of its own.
        const connections = maxConnections * (2 + megabytes(settings, "work_mem"));
        assert.ok(shared + maintenance + connections < memoryMb, JSON.stringify(settings));
        assert.equal(settings["max_connections"], String(maxConnections));
        assert.ok(megabytes(settings, "work_mem") >= 0.25);
        assert.ok(megabytes(settings, "effective_cache_size") < memoryMb);
        assert.ok(megabytes(settings, "effective_cache_size") > shared);
      }),
      { numRuns: 500 },
    );
    assert.ok(fitting > 100, `only ${fitting} of the sizes were fitting`);
  });

  it("A7 more memory never means less of anything, and more connections never more for each (property)", () => {
    const names = ["shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size", "temp_file_limit"];
    fc.assert(
      fc.property(sizing, fc.integer({ min: 64, max: 4096 }), fc.nat(200), ({ memoryMb, maxConnections }, more, others) => {
        const small = unlessRefused(() => postgresMemory({ memoryMb, maxConnections: maxConnections + others }));
        if (small === undefined) return;
        const fewer = postgresMemory({ memoryMb, maxConnections });
        assert.ok(megabytes(fewer, "work_mem") >= megabytes(small, "work_mem"));
        const large = postgresMemory({ memoryMb: memoryMb + more, maxConnections: maxConnections + others });
        for (const name of names) assert.ok(megabytes(large, name) >= megabytes(small, name), name);
      }),
    );
  });

  it("A7 every setting is a name and a value that needs no quoting (property)", () => {
    fc.assert(
      fc.property(sizing, (given) => {
        const settings = unlessRefused(() => postgresSettings(given));
        for (const [name, value] of Object.entries(settings ?? {})) {
          assert.match(name, /^[a-z][a-z_]*$/);
          assert.match(value, /^[\w.-]+$/);
        }
      }),
    );
  });

  it("A7 durable and quick to notice a lost peer: what data-plane measurements asked for", () => {
    const settings = postgresSettings({ memoryMb: 2048, maxConnections: 150 });
    const expected = {
      synchronous_commit: "on",
      wal_log_hints: "on",
      max_wal_senders: "10",
      max_replication_slots: "10",
      wal_keep_size: "512MB",
      wal_sender_timeout: "5s",
      wal_receiver_timeout: "5s",
      wal_retrieve_retry_interval: "500ms",
      tcp_keepalives_idle: "5",
      tcp_keepalives_interval: "2",
      tcp_keepalives_count: "3",
      password_encryption: "scram-sha-256",
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(settings[name], value, name);
    assert.ok(megabytes(settings, "max_slot_wal_keep_size") > megabytes(settings, "wal_keep_size"), "bounded, above what is kept anyway");
  });

  it("refuses memory that does not carry the connections, and says how many it carries (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 160, max: 8192 }), (memoryMb) => {
        let most = 0;
        assert.throws(
          () => postgresMemory({ memoryMb, maxConnections: 9000 }),
          (error: Error) => {
            most = Number(/carry at most (\d+) Postgres connections, not 9000; give more memory\.$/.exec(error.message)?.[1]);
            return Number.isInteger(most);
          },
        );
        assert.equal(postgresMemory({ memoryMb, maxConnections: most })["max_connections"], String(most), "as many as it says");
        assert.throws(() => postgresMemory({ memoryMb, maxConnections: most + 1 }), RangeError);
      }),
    );
  });

  it("refuses sizes that are none, naming the value and what is allowed", () => {
    for (const memoryMb of [0, 127, 512.5, Number.NaN, Infinity])
      assert.throws(
        () => postgresMemory({ memoryMb, maxConnections: 50 }),
        /Postgres memory of .+ MiB is not allowed; give a whole number of at least 128\.$/,
      );
    for (const maxConnections of [0, LEAST_CONNECTIONS - 1, 30.5, Number.NaN])
      assert.throws(
        () => postgresMemory({ memoryMb: 1024, maxConnections }),
        /maxConnections: .+ is not allowed; use a whole number from 25\.$/,
      );
  });
});
