import assert from "node:assert/strict";
import type { EventsReport } from "../../../toolchain/lib/docker-app";
import type { BrokerState } from "../../../toolchain/lib/kafka-status";
import { brokersOutcome, consumerOutcome, hasEventOf, kafkaChecks } from "../../../toolchain/verify/checks/kafka";
import { alertsOutcome, monitoringChecks, parseRules, parseTargets, targetsOutcome } from "../../../toolchain/verify/checks/monitoring";
import { expectedOf } from "../../../toolchain/verify/expected";
import { type Answer, fakeContainer, fakeContext } from "../../support/verify-context";
import { withServer } from "../../support/web-server";

const partition = (leader: number, inSync: number[]) => ({ topic: "domain-events", partition: 0, leader, replicas: [1, 2, 3], inSync });

describe("B5 Kafka of a running stack", () => {
  const state: BrokerState = { broker: 1, brokers: [1, 2, 3], partitions: [partition(1, [1, 2, 3]), partition(2, [3, 2, 1])] };

  it("has every broker, and every partition in sync", () => {
    assert.deepEqual(brokersOutcome(state, 3), { verdict: "pass", measured: "3 of 3 brokers, 2 partitions in sync" });
    const hurt = { ...state, brokers: [1, 3], partitions: [partition(1, [1, 3]), partition(-1, [2])] };
    assert.deepEqual(brokersOutcome(hurt, 3), {
      verdict: "fail",
      measured: "kafka-2 not in the cluster; 2 of 2 partitions lack a copy in sync; 1 of 2 partitions have no leader",
    });
    assert.equal(brokersOutcome({ ...state, partitions: [] }, 3).measured, "no partition of a topic");
  });

  const READING: EventsReport = { status: "ok", enabled: true, consuming: true, lag: 0 };

  it("has one consumer, and it reads", () => {
    assert.equal(consumerOutcome([READING]).verdict, "pass");
    assert.equal(consumerOutcome([]).measured, "0 containers of consumer run");
    assert.equal(consumerOutcome([undefined]).measured, "it tells nothing of events");
    assert.equal(consumerOutcome([{ ...READING, consuming: false }]).measured, "it does not read");
    const unread = { ...READING, status: "warning", reason: "Events cannot be read." };
    assert.equal(consumerOutcome([unread]).measured, "Events cannot be read.");
  });

  it("an order's event is told from those of other orders", () => {
    const line = { type: "order.created", summary: "Order 12 of Customer 5 was created." };
    assert.equal(hasEventOf({ data: [line] }, 12), true);
    assert.equal(hasEventOf({ data: [line] }, 1), false);
    assert.equal(hasEventOf({ data: [{ ...line, type: "order.updated" }] }, 12), false);
    assert.equal(hasEventOf({ data: [] }, 12), false);
  });

  const report = (lag: number | null): string =>
    JSON.stringify({
      full: {
        status: "ok",
        components: {
          cluster: {
            ...{ clustering: false, primary: { pid: 1, uptimeSeconds: 1 }, workersWanted: 1, workers: [], respawns: { total: 0 } },
            reloads: { completed: 0, failed: 0, running: false, last: null },
          },
          events: { ...READING, lag },
        },
      },
      scaling: { eventLoop: { utilization: 0, delayP99Ms: 1 }, recommendation: { action: "none", reason: "fine" } },
    });

  it("is followed from an order to its effect and an empty queue", async () => {
    const lags = [null, 4, 0];
    const consumer = fakeContainer(() => report(lags.shift() as number | null));
    const asked: string[] = [];
    const outcome = await withServer(
      (request, response) => {
        const what = `${request.method ?? ""} ${request.url ?? ""}`;
        asked.push(what);
        const activity =
          asked.filter((one) => one.includes("/activity")).length > 1 ? [{ type: "order.created", summary: "Order 8 of C." }] : [];
        if (what === "GET /api/session") response.end(JSON.stringify({ companyId: "c1" }));
        else if (what === "POST /api/orders") response.writeHead(201).end(JSON.stringify({ id: "o1", number: 8 }));
        else if (request.headers.authorization === "Bearer secret") response.end(JSON.stringify({ data: activity }));
        else response.writeHead(401).end();
      },
      (url) =>
        kafkaChecks[2]!.run(fakeContext({ url, adminToken: "secret", expected: { brokers: 3 }, containers: { consumer: [consumer] } })),
    );
    assert.equal(outcome.verdict, "pass", outcome.measured);
    assert.match(outcome.measured, /^effect after 0\.\d s, lag 0$/);
    assert.equal(asked.filter((one) => one === "GET /api/admin/activity?companyId=c1&limit=10").length, 2);
    assert.deepEqual(lags, []);
  });

  it("is left out with a sentence in a stack without", async () => {
    for (const check of kafkaChecks) {
      assert.deepEqual(await check.run(fakeContext({})), { verdict: "skip", measured: "the stack has no Kafka: kafka is false" });
    }
  });

  it("that is meant to be there and is not has failed", async () => {
    for (const check of kafkaChecks)
      assert.equal((await check.run(fakeContext({ expected: { brokers: 3 } }))).verdict, "fail", check.title);
  });
});

describe("A13, B8 the monitoring of a running stack", () => {
  const target = (job: string, health: string, lastError = ""): object => ({
    labels: { job, instance: `${job}-1` },
    scrapeUrl: "http://x",
    health,
    lastError,
  });
  const targets = (...activeTargets: readonly object[]): string => JSON.stringify({ status: "success", data: { activeTargets } });

  it("every target has to be up", () => {
    assert.deepEqual(targetsOutcome(parseTargets(targets(target("app", "up"), target("redis", "up")))), {
      verdict: "pass",
      measured: "2 of 2 targets, 2 jobs",
    });
    const away = targets(target("app", "up"), target("redis", "down", "connection refused"), target("etcd", "unknown"));
    assert.deepEqual(targetsOutcome(parseTargets(away)), {
      verdict: "fail",
      measured: "redis redis-1 is down (connection refused); etcd etcd-1 is unknown",
    });
    assert.equal(targetsOutcome([]).verdict, "fail");
  });

  const rule = (name: string, state: string, more: object = {}): object => ({
    ...{ name, type: "alerting", state, health: "ok", labels: { severity: "warning" } },
    alerts: state === "inactive" ? [] : [{ state, labels: {}, annotations: { summary: `${name} happened` } }],
    ...more,
  });
  const rules = (...all: readonly object[]): string =>
    JSON.stringify({ status: "success", data: { groups: [{ rules: all }, { rules: [] }] } });

  it("none may fire but those that always do", () => {
    const quiet = rules(
      rule("ServiceDown", "inactive"),
      rule("Watchdog", "firing"),
      rule("Note", "firing", { labels: { severity: "info" } }),
    );
    assert.deepEqual(alertsOutcome(parseRules(quiet)), { verdict: "pass", measured: "3 rules, none fires" });
    assert.deepEqual(alertsOutcome(parseRules(rules(rule("ServiceDown", "firing"), rule("Late", "pending")))), {
      verdict: "fail",
      measured: "ServiceDown: ServiceDown happened",
    });
    assert.equal(alertsOutcome(parseRules(rules(rule("Late", "pending")))).measured, "1 rules, none fires; Late would if it lasts");
  });

  it("a rule that cannot be evaluated never fires, and is no proof", () => {
    const broken = rules(rule("Odd", "inactive", { health: "err", lastError: "many-to-many matching" }));
    assert.deepEqual(alertsOutcome(parseRules(broken)), { verdict: "fail", measured: "rule Odd is many-to-many matching" });
    assert.equal(alertsOutcome([]).verdict, "fail");
  });

  it("is asked inside the container, until everything was looked at once", async () => {
    const asked: string[] = [];
    const answer: Answer = (command) => {
      asked.push(command.at(-1) ?? "");
      return `HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${targets(target("app", asked.length === 1 ? "unknown" : "up"))}`;
    };
    const stack = { expected: { monitoring: true }, containers: { prometheus: [fakeContainer(answer)] } };
    assert.deepEqual(await monitoringChecks[0]?.run(fakeContext(stack)), { verdict: "pass", measured: "1 of 1 targets, 1 jobs" });
    assert.deepEqual(asked, ["/api/v1/targets?state=active", "/api/v1/targets?state=active"]);
    const away = { ...stack, containers: { prometheus: [fakeContainer(() => "HTTP/1.0 503 Service Unavailable\r\n\r\n")] } };
    await assert.rejects(monitoringChecks[0]!.run(fakeContext(away)), /answers "HTTP\/1\.0 503 Service Unavailable"/);
  });

  it("is left out with a sentence where nothing watches, and fails where it should", async () => {
    for (const check of monitoringChecks) {
      const { verdict, measured } = await check.run(fakeContext({}));
      assert.deepEqual([verdict, measured], ["skip", "the stack is not watched: monitoring is false"]);
      assert.equal((await check.run(fakeContext({ expected: { monitoring: true } }))).verdict, "fail");
    }
  });
});

describe("C8 what a stack has to have", () => {
  it("is what its outputs have, and its configuration says", () => {
    const outputs = { kafkaBrokers: "kafka-1:9092,kafka-2:9092,kafka-3:9092", prometheusUrl: "http://127.0.0.1:9090" };
    const { brokers, monitoring, backups } = expectedOf({}, "database", outputs);
    assert.deepEqual({ brokers, monitoring, backups }, { brokers: 3, monitoring: true, backups: true });
    const without = expectedOf({ "phased-stack:backups": "false" }, "database", { kafkaBrokers: "", prometheusUrl: "" });
    assert.deepEqual([without.brokers, without.monitoring, without.backups], [0, false, false]);
    assert.equal(expectedOf({}, "cluster", {}).backups, false);
  });
});
