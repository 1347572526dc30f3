import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { hitRateReading, poolReading, replicaLagReading } from "../../../toolchain/load/readings";
import { cacheCounts, Watch } from "../../../toolchain/load/watch";
import { HttpClient } from "../../../toolchain/verify/http";
import { fail, skip } from "../../../toolchain/verify/types";
import { fakeContainer } from "../../support/verify-context";
import { withServer } from "../../support/web-server";

describe("figures that targets of a load are held against", () => {
  it("D13 the fullest pool of all looks; a database without one has nothing to judge", () => {
    const samples = [{ at: 1, pool: 0.2 }, { at: 2, pool: 0.7 }, { at: 3 }];
    assert.equal(poolReading({ samples, missed: 0 }), 0.7);
    assert.deepEqual(poolReading({ samples: [{ at: 1 }], missed: 0 }), skip("this database has no pool"));
  });

  it("E10 the replica that was furthest behind in all looks; without replicas there is nothing to judge", () => {
    const samples = [{ at: 1, replicaLagMs: 20 }, { at: 2, replicaLagMs: 4000 }, { at: 3 }];
    assert.equal(replicaLagReading({ samples, missed: 0 }), 4000);
    assert.deepEqual(replicaLagReading({ samples: [{ at: 1 }], missed: 0 }), skip("no replica was read"));
  });

  it("E10 a replica that was away has failed, however little the others were behind", () => {
    const [one, two] = [["replica-2"], ["replica-1", "replica-2"]];
    const samples = [
      { at: 1, replicaLagMs: 20 },
      { at: 2, replicaLagMs: 20, unfitReplicas: one },
      { at: 3, unfitReplicas: two },
    ];
    assert.deepEqual(replicaLagReading({ samples, missed: 0 }), fail("replica-1, replica-2: not fit to be read in 2 of 3 looks"));
  });

  it("D13 E10 an app that answered no look has told nothing, which is not the same as having no pool and no replica", () => {
    for (const reading of [poolReading, replicaLagReading]) {
      assert.deepEqual(reading({ samples: [], missed: 60 }), fail("the app told nothing in 60 looks"));
      assert.deepEqual(reading({ samples: [], missed: 0 }), skip("the load ended before the first look at the app"));
      // One that was answered tells what there is.
      assert.deepEqual(reading({ samples: [{ at: 1, pool: 0.5, replicaLagMs: 0.5 }], missed: 59 }), 0.5);
    }
  });

  it("E10 hit rates are of the time between two looks at every instance", () => {
    const [before, after] = [
      [
        { hits: 100, misses: 100 },
        { hits: 0, misses: 0 },
      ],
      [
        { hits: 150, misses: 110 },
        { hits: 40, misses: 0 },
      ],
    ];
    assert.equal(hitRateReading(before, after), 0.9);
    assert.deepEqual(hitRateReading(before, before), skip("nothing was asked of a cache"));
  });

  it("E10 an instance that restarted counts anew: no rate is made of that, also where others counted more meanwhile", () => {
    const before = [
      { hits: 1000, misses: 1000 },
      { hits: 1000, misses: 1000 },
    ];
    const anew = fail("1 of 2 instances restarted during the load, and count from 0 since");
    for (const restarted of [
      { hits: 10, misses: 1001 },
      { hits: 1001, misses: 10 },
      { hits: 10, misses: 10 },
    ]) {
      assert.deepEqual(hitRateReading(before, [restarted, { hits: 9000, misses: 9000 }]), anew);
    }
  });

  it("E10 figures of caches that cannot be read are a target missed, with the reason", async () => {
    const answer = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n${body}`;
    const telling = fakeContainer(() => answer('{"instance":{"hits":5,"sharedHits":2,"stale":1,"misses":3}}'));
    const counts = await cacheCounts([telling]);
    assert.deepEqual(counts, [{ hits: 8, misses: 3 }]);
    const refused = await cacheCounts([telling, fakeContainer(() => new Error("connect: Connection refused"))]);
    const after = "the caches' figures after the load were not read";
    assert.deepEqual(hitRateReading(counts, refused), fail(`${after}: connect: Connection refused`));
    for (const [body, first] of [
      ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 503 Service Unavailable"],
      [answer('{"instance":{}}'), "HTTP/1.1 200 OK"],
    ] as const) {
      const strange = await cacheCounts([fakeContainer(() => body)]);
      assert.deepEqual(hitRateReading(counts, strange), fail(`${after}: /api/health/cache answers "${first}" without figures of a cache`));
    }
    assert.deepEqual(hitRateReading({ reason: "gone" }, counts), fail("the caches' figures before the load were not read: gone"));
  });

  it("D13 a look that hangs is waited for, and counts as missed", async () => {
    let looked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (looked = resolve));
    await withServer(
      (_request, response) => {
        looked();
        void delay(300).then(() => response.writeHead(503).end("{}"));
      },
      async (url) => {
        const http = new HttpClient(url);
        const watch = new Watch(http);
        await asked;
        assert.deepEqual([watch.samples.length, watch.missed.length], [0, 0]);
        await watch.stop();
        http.close();
        assert.equal(watch.samples.length, 0);
        assert.equal(watch.missed.length, 1);
        assert.ok((watch.missed[0] ?? 0) >= 0.9, String(watch.missed));
      },
    );
  });
});
