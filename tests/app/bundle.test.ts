import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { bundleApp } from "../../components/local/image/bundle";
import { writeContext } from "../../components/local/image/write-context";
import { freePort } from "../support/project";
import { signingKey } from "../../components/aws/cdn/signing-key";
import { S3Server } from "../support/s3-server";
import { eventually } from "../support/services/container";
import { SqsServer } from "../support/sqs-server";
import { assertInvoice, invoiceImage } from "./documents/images";

interface Running {
  readonly url: string;
  /** Sends SIGTERM. @returns exit code and signal */
  readonly stop: () => Promise<unknown>;
  readonly printed: () => string;
}

/** Starts the bundle and waits until it serves. */
async function start(directory: string, environment: Readonly<Record<string, string>> = {}): Promise<Running> {
  const port = await freePort();
  const child = spawn(process.execPath, ["main.js"], {
    cwd: directory,
    env: {
      ...{ PATH: process.env["PATH"], NODE_ENV: "production", PORT: String(port), WORKERS: "1", DRAIN_DELAY_MS: "0" },
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const ended = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 30_000;
  const ready = async (): Promise<boolean> => (await fetch(`${url}/ready`).catch(() => undefined))?.status === 200;
  while (!(await ready())) {
    assert.equal(child.exitCode, null, printed);
    assert.ok(Date.now() < deadline, printed);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const stop = (): Promise<unknown> => {
    child.kill("SIGTERM");
    return ended;
  };
  return { url, stop, printed: () => printed };
}

/** Makes a company and gives its administrator's header. */
async function signUp(url: string): Promise<{ readonly Authorization: string }> {
  const account = { companyName: "Company", name: "Admin", email: "admin@example.org", password: "correct horse battery" };
  const json = { "Content-Type": "application/json" };
  const signup = await fetch(`${url}/api/auth/signup`, { method: "POST", headers: json, body: JSON.stringify(account) });
  return { Authorization: `Bearer ${((await signup.json()) as { token: string }).token}` };
}

/** D5: the programs of the threads, the recogniser and its language are found beside the bundle. */
async function readsAnImage(url: string): Promise<void> {
  const headers = { ...(await signUp(url)), "Content-Type": "image/png" };
  const body = new Uint8Array(invoiceImage("invoice.png"));
  const uploaded = await fetch(`${url}/api/documents?name=invoice.png`, { method: "POST", headers, body });
  const { document } = (await uploaded.json()) as { document: { id: string } };
  let text = "";
  await eventually("the text is there", async () => {
    const answer = await fetch(`${url}/api/documents/${document.id}/text`, { headers });
    ({ text } = (await answer.json()) as { text: string });
    return answer.status === 200;
  });
  assertInvoice(text);
}

describe("the bundle that goes into the image", function () {
  this.timeout(60_000);
  const directory = mkdtempSync(path.join(tmpdir(), "phased-bundle-"));

  before(async () => writeContext(directory, await bundleApp(path.resolve("app"))));
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("D5 starts far from node_modules with no configuration but a port, serves, reads an image, and ends on SIGTERM", async () => {
    const { url, stop, printed } = await start(directory);
    assert.equal((await fetch(`${url}/`)).status, 200);
    await readsAnImage(url);
    assert.deepEqual(await stop(), [0, null], printed());
  });

  it("A14 what AWS needs lies beside main.js and not in it, and is found there: S3, SQS, tokens for MSK, the authorities of RDS", async () => {
    const main = readFileSync(path.join(directory, "main.js"), "latin1");
    assert.doesNotMatch(main, /AWS4-HMAC|-----BEGIN CERTIFICATE-----[A-Za-z0-9+/]/i);
    assert.match(readFileSync(path.join(directory, "aws-sdk.js"), "latin1"), /AWS4-HMAC/);
    const login = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret" };
    const program = `require("./aws-sdk.js").generateAuthToken({ region: "eu-central-1" }).then(({ token }) =>
      console.log(JSON.stringify([Buffer.from(token, "base64url").toString(), require("./rds-authorities.js").authorities.length])))`;
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { cwd: directory, env: login });
    const [token, authorities] = JSON.parse(stdout) as [string, number];
    assert.match(token, /^https:\/\/kafka\.eu-central-1\.amazonaws\.com\/\?Action=kafka-cluster%3AConnect/);
    assert.ok(authorities > 50);
    // As in a task of ECS or a pod of EKS: the key of the role is asked for on a local address.
    const role = createServer((_request, response) => {
      const Expiration = new Date(Date.now() + 3_600_000).toISOString();
      response.end(JSON.stringify({ AccessKeyId: "ASIAROLE", SecretAccessKey: "secret", Token: "token", Expiration }));
    });
    await new Promise<void>((resolve) => role.listen(0, "127.0.0.1", resolve));
    const roleUrl = `http://127.0.0.1:${(role.address() as AddressInfo).port}/role`;
    const [s3, sqs] = await Promise.all([S3Server.start(), SqsServer.start()]);
    try {
      const { url, stop, printed } = await start(directory, {
        ...{ AWS_CONTAINER_CREDENTIALS_FULL_URI: roleUrl, AWS_REGION: "eu-central-1" },
        ...{
          S3_DIRECT_UPLOADS: "on",
          CDN_URL: "https://d1.example.org",
          CDN_KEY_ID: "K1",
          CDN_PRIVATE_KEY: signingKey("secret", 1).privateKey,
        },
        ...{ S3_BUCKET: s3.bucket, S3_ENDPOINT: s3.endpoint, SQS_QUEUE_URL: sqs.queueUrl, SQLITE_PATH: path.join(directory, "aws.db") },
      });
      const headers = { ...(await signUp(url)), "Content-Type": "text/plain" };
      const uploaded = await fetch(`${url}/api/documents?name=note.txt`, { method: "POST", headers, body: "a note" });
      assert.equal(uploaded.status, 201, printed());
      assert.equal(s3.objects.size, 1);
      const announced = await fetch(`${url}/api/documents/uploads`, {
        method: "POST",
        headers: { ...headers, "Content-Type": "application/json" },
        body: JSON.stringify({ name: "a.txt", sizeBytes: 1, sha256: "0".repeat(64) }),
      });
      const { fields } = (await announced.json()) as { fields?: Record<string, string> };
      assert.equal(fields?.["X-Amz-Security-Token"], "token", printed());
      const { document } = (await uploaded.json()) as { document: { id: string } };
      const content = await fetch(`${url}/api/documents/${document.id}/content`, { headers, redirect: "manual" });
      assert.match(content.headers.get("location") ?? "", /^https:\/\/d1\.example\.org\/uploads\/.*&Key-Pair-Id=K1/, printed());
      assert.deepEqual(new Set(s3.seen.map(({ keyId }) => keyId)), new Set(["ASIAROLE"]));
      await eventually("the queue is read", () => sqs.asked.includes("ReceiveMessage"));
      assert.deepEqual(await stop(), [0, null], printed());
    } finally {
      await Promise.all([s3.stop(), sqs.stop(), new Promise((resolve) => role.close(resolve))]);
    }
  });
});
