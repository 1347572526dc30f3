import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError, loadConfig } from "../../../app/src/config";
import { countedAddress } from "../../../app/src/rate-limit/client-address";
import { policyHeader, limitHeader, retryAfterSeconds } from "../../../app/src/rate-limit/headers";
import { fallbackSpec, POLICY_DEFAULTS, POLICY_NAMES, policyVariable, resolvePolicies } from "../../../app/src/rate-limit/policies";
import { ADDRESS_LIMITS, guardClass, limitsOf, ROUTE_LIMITS } from "../../../app/src/rate-limit/routes";
import { isContractVariable } from "../../../components/local/app/environment";

const MACHINE = { parallelism: 2, cpuQuota: undefined, memoryLimitMb: undefined };
const policiesOf = (environment: Readonly<Record<string, string>>, phase: "cluster" | "database" = "cluster") =>
  resolvePolicies(loadConfig(environment, MACHINE).rateLimits, phase);

describe("policies of limits", () => {
  it("B7 C4 A4 E3 have the figures of the features", () => {
    const figures = Object.fromEntries([...policiesOf({})].map(([name, { spec }]) => [name, `${spec.limit}/${spec.windowMs / 1000}`]));
    assert.deepEqual(figures, {
      burst: "10/1",
      ddos: "100/10",
      ip: "1000/60",
      steady: "300/60",
      auth: "10/300",
      progressive: "30/3600",
      account: "20/3600",
      strict: "60/900",
      api: "100/60",
      chat: "50/60",
      ai: "20/60",
      uploads: "20/60",
      "tier-free": "500/900",
      "tier-basic": "2000/900",
      "tier-professional": "5000/900",
      "tier-enterprise": "20000/900",
    });
    assert.equal(policiesOf({}).get("steady")?.spec.burst, 50);
    assert.equal(policiesOf({}).get("account")?.spec.burst, 10);
  });

  it("A4 the limit of the first phase ends with it", () => {
    assert.equal(policiesOf({}, "database").has("steady"), false);
    assert.equal(policiesOf({ RATE_LIMIT_STEADY: "600/1m burst 100" }, "database").get("steady")?.spec.limit, 600);
  });

  it("each can be changed, tried and switched off by a variable that a user of the stack may set", () => {
    for (const name of POLICY_NAMES) {
      const variable = policyVariable(name);
      assert.match(variable, /^RATE_LIMIT_[A-Z_]+$/);
      assert.equal(isContractVariable(variable), false);
      assert.equal(policiesOf({ [variable]: "off" }).has(name), false);
      assert.equal(policiesOf({ [variable]: "dry-run" }).get(name)?.dryRun, true);
      assert.equal(policiesOf({ [variable]: "dry-run" }).get(name)?.spec.limit, POLICY_DEFAULTS[name].limit);
      const changed = policiesOf({ [variable]: "7/30s dry-run" }).get(name);
      assert.deepEqual([changed?.spec.limit, changed?.spec.windowMs, changed?.dryRun], [7, 30_000, true]);
    }
    assert.equal(isContractVariable("RATE_LIMITS"), false);
    assert.equal(policiesOf({ RATE_LIMITS: "off" }).size, 0);
    assert.ok([...policiesOf({ RATE_LIMITS: "dry-run" }).values()].every(({ dryRun }) => dryRun));
  });

  it("nonsense is refused with its name and what is allowed", () => {
    for (const value of ["0/1m", "100", "100/m", "100/1d", "-1/1s", "on", "100/1m burst", "1e3/1m", "off 100/1m", "100/1m/1h"]) {
      assert.throws(
        () => loadConfig({ RATE_LIMIT_API: value }, MACHINE),
        (error: unknown) =>
          error instanceof ConfigError && error.message.startsWith(`RATE_LIMIT_API: "${value}" is not allowed; use off, dry-run`),
        value,
      );
    }
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999_999 }),
        fc.integer({ min: 1, max: 9999 }),
        fc.constantFrom("ms", "s", "m", "h"),
        (limit, amount, unit) => {
          const spec = policiesOf({ RATE_LIMIT_API: `${limit}/${amount}${unit}` }).get("api")?.spec;
          assert.deepEqual([spec?.limit, spec?.windowMs], [limit, amount * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit]]);
        },
      ),
    );
  });

  it("D12 without Redis auth has half of its limit in each instance, others all of it", () => {
    const policies = policiesOf({});
    const without = (name: "auth" | "api" | "strict" | "account") => {
      const policy = policies.get(name);
      assert.ok(policy);
      return fallbackSpec(policy);
    };
    assert.deepEqual([without("auth").limit, without("strict").limit, without("api").limit], [5, 30, 100]);
    assert.deepEqual([without("account").limit, without("account").burst], [10, 5]);
  });
});

describe("what a request is held against", () => {
  const names = (table: typeof ROUTE_LIMITS, method: string, path: string) => limitsOf(table, method, path)?.policies;

  it("B7 E4 chat has its own limit, AI and uploads one on top, everything else the API's", () => {
    assert.deepEqual(names(ROUTE_LIMITS, "POST", "/api/chat/messages"), ["chat"]);
    assert.deepEqual(names(ROUTE_LIMITS, "GET", "/api/chat/messages"), ["api"]);
    assert.deepEqual(names(ROUTE_LIMITS, "POST", "/api/documents"), ["api", "uploads"]);
    assert.deepEqual(names(ROUTE_LIMITS, "POST", "/api/tax/computations"), ["api", "ai"]);
    assert.deepEqual(names(ROUTE_LIMITS, "GET", "/API/Orders"), ["api"]);
    assert.deepEqual(names(ROUTE_LIMITS, "POST", "/api/chatter"), ["api"], "a path that only begins like another");
  });

  it("B7 D2 logging in and changing a password are held against the address", () => {
    for (const path of ["/api/auth/login", "/API/AUTH/LOGIN", "/api/auth/signup", "/api/auth/password", "/api/auth/login/"]) {
      assert.deepEqual(names(ADDRESS_LIMITS, "POST", path), ["auth", "progressive"], path);
    }
    assert.equal(names(ADDRESS_LIMITS, "GET", "/api/auth/me"), undefined);
    assert.deepEqual(names(ADDRESS_LIMITS, "POST", "/api/admin/reload"), ["strict"]);
  });

  it("health checks and metrics are exempt, and nothing that only looks like them", () => {
    for (const url of ["/health", "/health?x=1", "/ready", "/metrics", "/api/health", "/api/health/full", "/api/health/full?x"]) {
      assert.equal(guardClass(url), "exempt", url);
    }
    for (const url of ["/api/healthy", "/api/orders?/api/health", "/api/orders", "/API/orders", "/api"])
      assert.equal(guardClass(url), "api", url);
    for (const url of ["/", "/index.html", "/healthy", "/metrics2", "/apis", "*", ""]) assert.equal(guardClass(url), "page", url);
  });

  it("addresses: IPv4 as they are, IPv6 by network, anything else under one name", () => {
    assert.equal(countedAddress("::ffff:192.0.2.7"), "192.0.2.7");
    assert.equal(countedAddress("2001:db8::1"), "2001:db8:0:0::/64");
    assert.equal(countedAddress("2001:0DB8:0:0:1:2:3:4"), "2001:db8:0:0::/64");
    assert.equal(countedAddress("::1"), "0:0:0:0::/64");
    assert.equal(countedAddress("fe80::1%eth0"), "fe80:0:0:0::/64");
    assert.equal(countedAddress("2001::a:b:c:d:192.0.2.7"), "2001:0:a:b::/64");
    for (const nonsense of ["", "unknown", "1.2.3", "999.1.1.1", "::ffff:999.1.1.1:x", ":::", "a".repeat(10_000)]) {
      assert.equal(countedAddress(nonsense), "unknown", nonsense.slice(0, 40));
    }
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        assert.match(countedAddress(address), /^([0-9a-f]{1,4}:){4}:\/64$|^\d+\.\d+\.\d+\.\d+$/);
      }),
    );
  });
});

describe("headers of limits", () => {
  it("E3 follow the draft of the IETF: policies with quota and window, limits with what remains and when it is full again", () => {
    const policies = ["api", "tier-free"].flatMap((name) => policiesOf({}).get(name as "api") ?? []);
    assert.equal(policyHeader(policies), '"api";q=100;w=60, "tier-free";q=500;w=900');
    const state = { allowed: true, remaining: 99, resetMs: 59_001, retryMs: 0 };
    assert.equal(limitHeader(policies, [state, { ...state, remaining: 0, resetMs: 0 }]), '"api";r=99;t=60, "tier-free";r=0;t=0');
  });

  it("Retry-After is never too early, a whole number, and spread by a tenth and a second or two", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), fc.double({ min: 0, max: 0.999999, noNaN: true }), (retryMs, random) => {
        const wait = retryAfterSeconds(retryMs, random);
        assert.ok(Number.isInteger(wait) && wait >= 1 && wait * 1000 >= retryMs && wait <= (retryMs / 1000 + 1) * 1.1 + 3);
      }),
    );
  });
});
