import assert from "node:assert/strict";
import { evaluate } from "../../../policy/evaluate";
import type { Resource } from "../../../policy/graph";
import { NOT_ROTATED } from "../../../policy/not-rotated";
import { profileOf } from "../../../policy/profile";
import { RULES } from "../../../policy/rules";
import { AWS } from "../../../policy/types";
import { hidden, idOf, resource } from "../../support/aws-graph";
import { PRODUCTION } from "./fixtures/production";
import { change, without } from "./fixtures/support";

function broken(id: string, resources: readonly Resource[]): string[] {
  const rules = RULES.filter((rule) => rule.id === id);
  assert.equal(rules.length, 1);
  return evaluate(resources, rules, profileOf("prod")).violations.map((violation) => violation.resource.name);
}

describe("policy: passwords that RDS does not manage", () => {
  const written = { manageMasterUserPassword: undefined, passwordWo: "drawn", passwordWoVersion: 1 };

  it("with a replica, for which RDS refuses to, one that is only written will do", () => {
    assert.deepEqual(broken("rds-managed-password", change(PRODUCTION, "database", written)), []);
  });

  it("without one RDS has to, and a password that is in the state is refused in any case", () => {
    assert.deepEqual(broken("rds-managed-password", without(change(PRODUCTION, "database", written), "database-replica")), ["database"]);
    assert.deepEqual(broken("rds-managed-password", change(PRODUCTION, "database", { ...written, password: "abc" })), ["database"]);
  });

  it("a rotation counts that names the secret by its first version, also before that exists", () => {
    const version = resource(AWS.secretVersion, "first", { secretId: idOf("session-secret"), secretString: "x" });
    const rotation = resource(AWS.secretRotation, "by-version", { secretId: idOf("first"), rotationRules: { automaticallyAfterDays: 30 } });
    const rest = without(PRODUCTION, "session-secret-rotation");
    assert.deepEqual(broken("secrets-rotation", [...rest, version]), ["session-secret"]);
    assert.deepEqual(broken("secrets-rotation", [...rest, version, rotation]), []);
    assert.deepEqual(broken("secrets-rotation", hidden([...rest, version, rotation], "by-version", "secretId", [version.urn])), []);
  });

  it("what nothing rotates is listed by its whole name, with a reason; a name that is like it does not count", () => {
    for (const [name, reason] of Object.entries(NOT_ROTATED)) {
      assert.match(reason, /^[A-Z].{20,}\.$/, name);
      assert.deepEqual(broken("secrets-rotation", [...PRODUCTION, resource(AWS.secret, name)]), []);
      for (const other of [`${name}-2`, `own-${name}`]) {
        assert.deepEqual(broken("secrets-rotation", [...PRODUCTION, resource(AWS.secret, other)]), [other]);
      }
    }
    assert.deepEqual(broken("secrets-rotation", [...PRODUCTION, resource(AWS.secret, "constructor")]), ["constructor"]);
  });
});
