import assert from "node:assert/strict";
import fc from "fast-check";
import { demand, RESERVED_CONNECTIONS, supply } from "../../../policy/connections";
import { evaluate } from "../../../policy/evaluate";
import { matches } from "../../../policy/iam-documents";
import { profileOf } from "../../../policy/profile";
import { AWS } from "../../../policy/types";
import { rds } from "../../../policy/rules/rds";
import { rdsProxy } from "../../../policy/rules/rds-proxy";
import { secretsQueuesLogs } from "../../../policy/rules/secrets-queues-logs";
import { resource } from "../../support/aws-graph";
import { CONTAINER } from "./fixtures/compute";
import { PRODUCTION } from "./fixtures/production";
import { change } from "./fixtures/support";

const PROD = profileOf("prod");
const pools = fc.array(fc.record({ tasks: fc.integer({ min: 0, max: 200 }), connections: fc.integer({ min: 0, max: 100 }) }), {
  maxLength: 5,
});
const breaks = (id: string, rules: typeof rds, resources: Parameters<typeof evaluate>[0]): boolean =>
  evaluate(
    resources,
    rules.filter((rule) => rule.id === id),
    PROD,
  ).violations.length > 0;

describe("policy: arithmetic", () => {
  it("C1 pools add up, and one more task or connection never needs less", () => {
    fc.assert(
      fc.property(pools, fc.integer({ min: 1, max: 50 }), (list, more) => {
        const wanted = demand(list);
        assert.equal(
          wanted,
          list.map(({ tasks, connections }) => tasks * connections).reduce((sum, each) => sum + each, 0),
        );
        assert.equal(demand([...list, { tasks: more, connections: 1 }]), wanted + more);
      }),
    );
  });

  it("C1 a proxy never gets more than its part, nor pools what superusers need", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 10_000 }), fc.integer({ min: 1, max: 100 }), (max, percent) => {
        assert.ok(supply(max, percent) * 100 <= max * percent);
        assert.ok((supply(max, percent) + 1) * 100 > max * percent, "and not less than it may");
        assert.equal(supply(max, undefined), max - RESERVED_CONNECTIONS);
      }),
    );
  });

  it("C1 the rule refuses exactly the stacks whose pools may open more than there is", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 100, max: 2000 }),
        fc.integer({ min: 10, max: 100 }),
        (tasks, connections, max, percent) => {
          const definitions = JSON.stringify([{ ...CONTAINER, environment: [{ name: "DB_POOL_MAX", value: String(connections) }] }]);
          let graph = change(PRODUCTION, "web-task", { containerDefinitions: definitions });
          graph = change(graph, "jobs-task", { containerDefinitions: JSON.stringify([{ ...CONTAINER, environment: [] }]) });
          graph = change(graph, "web-scaling", { maxCapacity: tasks });
          graph = change(graph, "database-parameters", { parameters: [{ name: "max_connections", value: String(max) }] });
          graph = change(graph, "proxy-targets", { connectionPoolConfig: { maxConnectionsPercent: percent } });
          assert.equal(breaks("rds-connections", rds, graph), tasks * connections > Math.floor((max * percent) / 100));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("storage may grow by half, or more", () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 20_000 }), fc.integer({ min: 0, max: 65_536 }), (allocatedStorage, maxAllocatedStorage) => {
        const instance = resource(AWS.dbInstance, "database", { storageType: "gp3", allocatedStorage, maxAllocatedStorage });
        assert.equal(breaks("rds-storage", rds, [instance]), maxAllocatedStorage < allocatedStorage * 1.5);
      }),
    );
  });

  it("nobody waits for a connection longer than a request may take", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3600 }), (connectionBorrowTimeout) => {
        const targets = resource(AWS.rdsProxyTargets, "targets", { connectionPoolConfig: { connectionBorrowTimeout } });
        assert.equal(breaks("rds-proxy-borrow-timeout", rdsProxy, [targets]), connectionBorrowTimeout > PROD.requestTimeoutSeconds);
      }),
    );
  });

  it("a message stays hidden for six times what its handler may take", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 43_200 }), (visibilityTimeoutSeconds) => {
        const queue = resource(AWS.queue, "events", { visibilityTimeoutSeconds });
        assert.equal(breaks("queues-visibility", secretsQueuesLogs, [queue]), visibilityTimeoutSeconds < PROD.handlerSeconds * 6);
      }),
    );
  });

  it("IAM's patterns: a star is any text, a question mark one character, all else itself", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (before, inside, after) => {
        const plain = (text: string): string => text.replace(/[*?]/g, "x");
        const [start, end] = [plain(before), plain(after)];
        assert.ok(matches(`${start}*${end}`, `${start}${inside}${end}`));
        assert.ok(matches(`${start}?${end}`, `${start}y${end}`));
        assert.ok(!matches(`${start}?${end}`, `${start}${end}`));
        assert.ok(matches(start, start) && !matches(start, `${start}z`));
      }),
    );
    assert.ok(matches("s3:Get*", "S3:GETOBJECT", false));
    assert.ok(!matches("arn:aws:s3:::A", "arn:aws:s3:::a"));
  });
});
