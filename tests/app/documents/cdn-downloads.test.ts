import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { loadConfig } from "../../../app/src/config/load";
import { ADDRESS_SECONDS } from "../../../app/src/documents/cdn-downloads";
import { signingKey } from "../../../components/aws/cdn/signing-key";
import { S3Server } from "../../support/s3-server";
import { DocumentsApp, refused } from "./support";

const LOGIN = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
const ORIGIN = "https://d1.example.org";

/** An address as CloudFront reads it (developer guide, "Create a signed URL using a canned policy"). */
function parse(location: string) {
  const url = new URL(location);
  const own = ["Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"];
  const query = url.search.slice(1).split("&");
  const nameOf = (pair: string): string => pair.split("=")[0] ?? "";
  const signed = `${url.origin}${url.pathname}?${query.filter((pair) => !own.includes(nameOf(pair))).join("&")}`;
  const value = (name: string): string => url.searchParams.get(name) ?? "";
  const policy = `{"Statement":[{"Resource":"${signed}","Condition":{"DateLessThan":{"AWS:EpochTime":${value("Expires")}}}}]}`;
  const signature = Buffer.from(value("Signature").replaceAll("-", "+").replaceAll("_", "=").replaceAll("~", "/"), "base64");
  return { url, policy, signature, value };
}

const believes = (key: KeyObject, policy: string, signature: Buffer): boolean => verify("sha256", Buffer.from(policy), key, signature);

describe("A21 downloads from the CDN", function () {
  this.timeout(30_000);
  const environment = { ...process.env };
  let server: S3Server;
  before(async () => {
    Object.assign(process.env, LOGIN);
    server = await S3Server.start();
  });
  after(async () => {
    for (const name of Object.keys(LOGIN)) {
      if (environment[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = environment[name];
    }
    await server.stop();
  });

  const bucket = () => ({ S3_BUCKET: server.bucket, S3_ENDPOINT: server.endpoint });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }).toString();
  const derived = signingKey("x".repeat(64), 1);

  for (const [kind, privateKey, publicKey] of [
    ["the key that the stack derives", derived.privateKey, createPrivateKey(derived.privateKey)],
    ["RSA of 2048 bits", pem(rsa.privateKey), rsa.publicKey],
  ] as const) {
    it(`A21 who asks for a content is sent to an address that is signed for it alone, for two minutes: ${kind}`, async () => {
      const cdn = { CDN_URL: ORIGIN, CDN_KEY_ID: "K2JCJMDEHXQW5F", CDN_PRIVATE_KEY: privateKey };
      const rig = await DocumentsApp.start({ ...bucket(), ...cdn });
      try {
        const document = await rig.uploaded("Ännes 'Brief' +1.txt", Buffer.from("a letter"));
        const asked = await rig.send("GET", `/api/documents/${document.id}/content`, { redirect: "manual" });
        assert.equal(asked.status, 302, asked.text);
        assert.equal(asked.headers.get("cache-control"), "no-store");
        const { url, policy, signature, value } = parse(asked.headers.get("location") ?? "");
        assert.equal(url.origin, ORIGIN);
        const key = `uploads/${rig.companyId}/${document.sha256.slice(0, 2)}/${document.sha256}`;
        assert.equal(url.pathname, `/${key}`, "the path is the key in the bucket");
        assert.ok(server.objects.has(key));
        assert.deepEqual([value("Key-Pair-Id"), value("Hash-Algorithm")], ["K2JCJMDEHXQW5F", "SHA256"]);
        assert.equal(value("response-content-type"), "text/plain; charset=utf-8");
        assert.match(value("response-content-disposition"), /^attachment; .*filename\*=UTF-8''%C3%84nnes%20%27Brief%27%20%2B1\.txt$/);
        const left = Number(value("Expires")) - Date.now() / 1000;
        assert.ok(left > ADDRESS_SECONDS - 10 && left <= ADDRESS_SECONDS + 1, String(left));
        assert.ok(believes(publicKey, policy, signature));
        for (const changed of [
          policy.replace(document.sha256, "0".repeat(64)),
          policy.replace("attachment", "inline"),
          policy.replace("text%2Fplain", "text%2Fhtml"),
          policy.replace(value("Expires"), String(Number(value("Expires")) + 3600)),
        ]) {
          assert.notEqual(changed, policy);
          assert.ok(!believes(publicKey, changed, signature), changed);
        }
        const known = { "If-None-Match": `"${document.sha256}"` };
        assert.equal((await rig.send("GET", `/api/documents/${document.id}/content`, { headers: known, redirect: "manual" })).status, 304);
        const other = await rig.app.signUp();
        await refused(404, rig.send("GET", `/api/documents/${document.id}/content`, { as: other.token, redirect: "manual" }));
        const signedOut = await fetch(`${rig.app.url}/api/documents/${document.id}/content`, { redirect: "manual" });
        assert.equal(signedOut.status, 401);
      } finally {
        await rig.remove();
      }
    });
  }

  it("A21 without a CDN content goes through the app", async () => {
    const rig = await DocumentsApp.start(bucket());
    try {
      const { id } = await rig.uploaded("a.txt", Buffer.from("through the app"));
      const asked = await rig.send("GET", `/api/documents/${id}/content`, { redirect: "manual" });
      assert.deepEqual([asked.status, asked.text], [200, "through the app"]);
    } finally {
      await rig.remove();
    }
  });

  it("A21 the CDN's settings are complete, belong to a bucket, and have a key that CloudFront takes; a message never shows the key", () => {
    const machine = { parallelism: 1, cpuQuota: undefined, memoryLimitMb: 1024 };
    const refusal = (given: Record<string, string>): string => {
      try {
        loadConfig({ S3_BUCKET: "shop-uploads", S3_REGION: "eu-west-1", ...given }, machine);
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    const all = { CDN_URL: ORIGIN, CDN_KEY_ID: "K1", CDN_PRIVATE_KEY: derived.privateKey };
    assert.equal(refusal(all), "");
    assert.match(
      refusal({ CDN_URL: ORIGIN }),
      /^CDN_KEY_ID, CDN_PRIVATE_KEY: not set; set all of CDN_URL, CDN_KEY_ID, CDN_PRIVATE_KEY, or none\.$/,
    );
    assert.match(refusal({ ...all, S3_BUCKET: "", S3_REGION: "" }), /CDN_URL: set without S3_BUCKET/);
    assert.match(refusal({ ...all, CDN_URL: "http://d1.example.org" }), /^CDN_URL: /);
    const others = [
      pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey),
      pem(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey),
      pem(generateKeyPairSync("ed25519").privateKey),
      derived.publicKey,
      "nonsense",
    ];
    for (const CDN_PRIVATE_KEY of others) {
      const message = refusal({ ...all, CDN_PRIVATE_KEY });
      assert.match(
        message,
        /^CDN_PRIVATE_KEY: the given value \(\d+ characters\) is not allowed; use a private key in PEM, RSA of 2048 bits or ECDSA/,
      );
      assert.doesNotMatch(message, /BEGIN|nonsense/);
    }
  });
});
