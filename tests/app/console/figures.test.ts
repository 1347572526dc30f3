import assert from "node:assert/strict";
import { counted } from "../../../app/src/console/figures";
import { Kept } from "../../../app/src/console/kept";
import { parseMetrics } from "../../../app/src/health/metrics-summary";

const METRICS = `# HELP http_requests_total Requests answered, by route pattern.
http_requests_total{method="GET",route="/api/orders",status="200"} 90
http_requests_total{method="POST",route="/api/orders",status="201"} 5
http_requests_total{method="GET",route="/api/orders",status="404"} 3
http_requests_total{method="GET",route="/api/orders",status="503"} 2
http_requests_in_flight 7
http_request_duration_seconds_bucket{le="0.1",method="GET",route="/a"} 10
http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/a"} 12
http_request_duration_seconds_bucket{le="0.005",method="GET",route="/a"} 4
http_request_duration_seconds_bucket{le="0.1",method="GET",route="/b"} 1
http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/b"} 1
cache_requests_total{result="hit"} 8
cache_requests_total{result="shared_hit"} 1
cache_requests_total{result="stale"} 1
cache_requests_total{result="miss"} 5
rate_limit_requests_total{policy="tier-free",store="redis",outcome="limited"} 3
rate_limit_requests_total{policy="tier-free",store="memory",outcome="limited"} 1
rate_limit_requests_total{policy="tier-free",store="redis",outcome="allowed"} 100
rate_limit_requests_total{policy="burst",store="guard",outcome="limited"} 2
db_pool_connections{pool="primary",state="in_use"} 4
db_pool_connections{pool="primary",state="idle"} 6
db_pool_max_connections{pool="primary"} 20
db_pool_waiting{pool="primary"} 1
db_replica_up{replica="replica-1"} 1
db_replica_up{replica="replica-2"} 0
db_replica_lag_seconds{replica="replica-1"} 0.25
`;

describe("console: figures in an instance's metrics", () => {
  const figures = counted(parseMetrics(METRICS));

  it("adds requests up by what came of them", () => {
    assert.deepEqual(figures.requests, { total: 100, clientErrors: 3, serverErrors: 2, inFlight: 7 });
  });

  it("adds the durations of all routes up, in the order of the bounds; the infinite one survives JSON", () => {
    const expected = [
      { le: 0.005, count: 4 },
      { le: 0.1, count: 11 },
      { le: null, count: 13 },
    ];
    assert.deepEqual(JSON.parse(JSON.stringify(figures.latency)), expected);
  });

  it("counts what a limit refused, whoever decided, and not what it let pass", () => {
    assert.deepEqual(figures.limited, { "tier-free": 4, burst: 2 });
  });

  it("has cache, pools and replicas", () => {
    assert.deepEqual(figures.cache, { hits: 10, misses: 5 });
    assert.deepEqual(figures.pools, [{ name: "primary", inUse: 4, max: 20, waiting: 1 }]);
    assert.deepEqual(figures.replicas, [
      { name: "replica-1", up: true, lagSeconds: 0.25 },
      { name: "replica-2", up: false, lagSeconds: null },
    ]);
  });

  it("is empty without any, not broken: phase cluster has no pool and no replica", () => {
    const none = counted([]);
    assert.deepEqual([none.pools, none.replicas, none.latency, none.limited], [[], [], [], {}]);
    assert.equal(none.requests.total, 0);
  });
});

describe("console: a value that is kept", () => {
  it("is looked up once for all who ask meanwhile and shortly after", async () => {
    let looks = 0;
    const kept = new Kept(60_000, () => Promise.resolve(++looks));
    assert.deepEqual(await Promise.all([kept.get(), kept.get()]), [1, 1]);
    assert.equal(await kept.get(), 1);
  });

  it("is looked up again when it is too old, and after a failure", async () => {
    let looks = 0;
    const always = new Kept(0, () => Promise.resolve(++looks));
    assert.deepEqual([await always.get(), await always.get()], [1, 2]);
    let fails = true;
    const mended = new Kept(60_000, () => (fails ? Promise.reject(new Error("away")) : Promise.resolve("there")));
    await assert.rejects(mended.get(), /away/);
    fails = false;
    assert.equal(await mended.get(), "there");
  });
});
