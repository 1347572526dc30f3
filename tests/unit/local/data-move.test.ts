import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { DataMove, MOVE_SERVICES } from "../../../components/local/data-move";
import { FINISHED_SERVICES, MOVE_SERVICES as STOPPED_SERVICES } from "../../../toolchain/lib/docker-app";
import { operationTimeout } from "../../../toolchain/standins/docker/resource";
import { Recorder, settled } from "../../support/pulumi-mocks";

const CONTAINER = "docker:index/container:Container";

describe("F1 the container that carries the rows to another phase", () => {
  it("F1 the provider waits for as long as the copy may take, and longer than it does by itself", async () => {
    const recorder = await Recorder.install();
    const times: (string | undefined)[] = [];
    new DataMove(
      "data-move",
      {
        direction: "to-postgres",
        image: "app:1",
        networkName: "net-1",
        sqlitePath: "/data/app.db",
        postgresUrlFiles: ["/run/secrets/url"],
        mounts: [],
        attempt: { number: 1, isDone: false },
      },
      {
        transformations: [
          ({ type, opts, props }) => {
            if (type === CONTAINER) times.push((opts as pulumi.CustomResourceOptions).customTimeouts?.create);
            return { props, opts };
          },
        ],
      },
    );
    await settled();
    const { command, waitTimeout, healthcheck } = recorder.get("data-move-copy").inputs as {
      command: string[];
      waitTimeout: number;
      healthcheck: { retries: number };
    };
    const [, limit] = /^timeout --foreground (\d+) node transfer\.js --move to-postgres/.exec(command[0]!) ?? [];
    assert.equal(times.length, 1);
    const [, create] = /^(\d+)s$/.exec(String(times[0])) ?? [];
    const order = [Number(limit), waitTimeout, Number(create)];
    assert.ok(order.every(Number.isInteger));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      "whoever waits for somebody waits longer than that one",
    );
    assert.equal(new Set(order).size, order.length);
    assert.ok(healthcheck.retries >= Number(limit), "a check a second, none of which may be the last one");
    assert.ok(operationTimeout(CONTAINER, 0)! < Number(limit), "20 minutes, otherwise");
  });

  it("F1 what it is told to do: rows go from SQLite to Postgres, back, or stay where they are", async () => {
    const recorder = await Recorder.install();
    const common = { image: "app:1", networkName: "net-1", sqlitePath: "/data/app.db", postgresUrlFiles: ["/run/secrets/url"], mounts: [] };
    for (const direction of ["to-postgres", "to-sqlite", "open-postgres"] as const)
      new DataMove(direction, { ...common, direction, attempt: { number: 1, isDone: false } });
    const places = { postgresUrlFiles: ["/run/a/url", "/run/b/url"], attempt: { number: 1, isDone: false } };
    new DataMove("anywhere", { ...common, ...places, direction: "to-sqlite" });
    await settled();
    const told = (name: string): (string | undefined)[] => {
      const { command, labels } = recorder.get(`${name}-copy`).inputs as { command: string[]; labels: { label: string; value: string }[] };
      const [, move] = /transfer\.js (--move .* --to \S+)/.exec(command[0] ?? "") ?? [];
      return [labels.find(({ label }) => label === "phased-stack.service")?.value, move];
    };
    const [sqlite, postgres] = ["sqlite:/data/app.db", "file:/run/secrets/url"];
    assert.deepEqual(told("to-postgres"), ["data-move", `--move to-postgres --from ${sqlite} --to ${postgres}`]);
    assert.deepEqual(told("to-sqlite"), ["data-move-back", `--move to-sqlite --from ${postgres} --to ${sqlite}`]);
    assert.deepEqual(told("open-postgres"), ["data-move-open", `--move open-postgres --from ${sqlite} --to ${postgres}`]);
    const { command } = recorder.get("anywhere-copy").inputs as { command: string[] };
    assert.ok(
      command[0]?.includes(" --from file:$(for file in /run/a/url /run/b/url; do if [[ -e $file ]]; then echo $file; break; fi; done) "),
    );
    for (const service of Object.values(MOVE_SERVICES)) assert.ok(FINISHED_SERVICES.includes(service), service);
    assert.deepEqual(STOPPED_SERVICES.toSorted(), Object.values(MOVE_SERVICES).toSorted());
  });
});
