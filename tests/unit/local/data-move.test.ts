import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { DataMove } from "../../../components/local/data-move";
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
        postgresUrlFile: "/run/secrets/url",
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
});
