import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import fc from "fast-check";
import { signingKey } from "../../../../components/aws/cdn/signing-key";
import { SigningKeys } from "../../../../components/aws/cdn/signing-keys";
import { isMarkedSecret, Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, withProvider } from "./support";

describe("A21 keys that sign addresses of uploads", () => {
  it("any text stands for one pair on P-256, whose halves belong together (property)", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(1000), (secret, generation) => {
        const pair = signingKey(secret, generation);
        assert.deepEqual(signingKey(secret, generation), pair);
        const [own, shown] = [createPrivateKey(pair.privateKey), createPublicKey(pair.publicKey)];
        assert.deepEqual([shown.asymmetricKeyType, shown.asymmetricKeyDetails], ["ec", { namedCurve: "prime256v1" }]);
        const text = Buffer.from(secret);
        assert.ok(verify("sha256", text, shown, sign("sha256", text, own)));
        assert.notEqual(signingKey(secret, generation + 1).publicKey, pair.publicKey);
        assert.notEqual(signingKey(`${secret}.`, generation).publicKey, pair.publicKey);
      }),
      // The number that this one stands for begins with a zero byte.
      { numRuns: 100, examples: [["leading zero", 486]] },
    );
  });

  it("stays what it is from version to version: another derivation would make another key of a stack that has one", () => {
    const { publicKey } = signingKey("a secret of a stack", 1);
    assert.equal(createHash("sha256").update(publicKey).digest("hex"), "492fa7f69149851e635f6580ccbdb53b5e83975d86bda9d688eec070aaa80312");
  });

  const make = async (generation: number): Promise<{ recorder: Recorder; keys: SigningKeys }> => {
    const recorder = await Recorder.install();
    const args = { context: CONTEXT, kmsKeyArn: "arn:data-key", recoveryWindowDays: 30, generation };
    const keys = new SigningKeys("uploads-key", args, withProvider());
    await settled();
    assertWellMade(recorder);
    return { recorder, keys };
  };

  it("the current one and the one before are kept as secrets; what is public is no secret", async () => {
    const { recorder, keys } = await make(1);
    assert.deepEqual(
      keys.publicKeys.map(({ generation }) => generation),
      [1, 0],
    );
    const secrets = recorder.ofType("aws:secretsmanager/secret:Secret").map(({ name }) => name);
    assert.deepEqual(secrets.sort(), ["uploads-key-even-secret", "uploads-key-odd-secret"]);
    assert.match(await valueOf(keys.privateKeyArn), /uploads-key-odd-secret/);
    for (const { pem } of keys.publicKeys) {
      assert.match(await valueOf(pem as typeof keys.privateKeyArn), /BEGIN PUBLIC KEY/);
      assert.equal(await isMarkedSecret(pem as typeof keys.privateKeyArn), false);
    }
    for (const half of ["even", "odd"])
      assert.match(JSON.stringify(recorder.get(`uploads-key-${half}-version`).inputs["secretString"]), /BEGIN PRIVATE KEY/);
  });

  it("a change of generation writes over the secret nobody signs with, keeps the other, and trusts both", async () => {
    const contents = async (generation: number): Promise<unknown[]> => {
      const { recorder } = await make(generation);
      return ["even", "odd"].map((half) => JSON.stringify(recorder.get(`uploads-key-${half}-version`).inputs["secretString"]));
    };
    const [first, second, third] = [await contents(1), await contents(2), await contents(3)];
    assert.equal(second[1], first[1], "odd: generation 1, which tasks still sign with");
    assert.notEqual(second[0], first[0], "even: from generation 0 to 2");
    assert.equal(third[0], second[0]);
    assert.notEqual(third[1], second[1]);
    const { keys } = await make(2);
    assert.deepEqual(
      keys.publicKeys.map(({ generation }) => generation),
      [2, 1],
    );
    assert.match(await valueOf(keys.privateKeyArn), /uploads-key-even-secret/);
  });
});
