import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { S3DocumentStorage } from "../../../app/src/documents/s3-storage";
import { StorageUnavailableError } from "../../../app/src/documents/storage";
import { S3Server } from "../../support/s3-server";
import { describeStorageContract, type StorageBackend } from "./storage-contract";
import { DocumentsApp, filesBelow, refused } from "./support";

/** A real server that speaks S3, with a bucket of that name; the login is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
const { PHASED_TEST_S3_ENDPOINT: realEndpoint, PHASED_TEST_S3_BUCKET: realBucket = "documents" } = process.env;

const LOGIN = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };

const OPTIONS = { region: "us-east-1", directUploads: false, incomingPrefix: "incoming/", cdn: undefined } as const;

const MIB = 1024 ** 2;

describe("A21 documents in S3", function () {
  this.timeout(30_000);
  const root = mkdtempSync(path.join(tmpdir(), "phased-s3-"));
  const environment = { ...process.env };
  let server: S3Server;
  before(async () => {
    if (realEndpoint === undefined) Object.assign(process.env, LOGIN);
    server = await S3Server.start();
  });
  beforeEach(() => {
    server.objects.clear();
    server.uploads.clear();
    server.seen.length = 0;
    server.fault = () => undefined;
    server.silentAfter = undefined;
  });
  after(async () => {
    for (const name of Object.keys(LOGIN)) {
      if (environment[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = environment[name];
    }
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  });

  /** Each in a directory and below a prefix of its own. */
  function open(
    endpoint = server.endpoint,
    name = server.bucket,
    silenceMs?: number,
  ): { readonly storage: S3DocumentStorage; readonly directory: string; readonly prefix: string } {
    const [directory, prefix] = [path.join(root, randomUUID()), `test-${randomUUID()}/`];
    return { storage: new S3DocumentStorage({ ...OPTIONS, name, prefix, endpoint }, directory, silenceMs), directory, prefix };
  }

  const stage = (storage: S3DocumentStorage, content: Buffer) => storage.stage(Readable.from([content]));

  describeStorageContract(realEndpoint === undefined ? "S3 in this process" : "a server that speaks S3", () => {
    const endpoint = realEndpoint ?? server.endpoint;
    const bucket = realEndpoint === undefined ? server.bucket : realBucket;
    const { storage, directory, prefix } = open(endpoint, bucket);
    const backend: StorageBackend = {
      storage,
      async names() {
        const client = new S3Client({ region: "us-east-1", endpoint, forcePathStyle: true });
        try {
          const { Contents: found = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
          return [...filesBelow(directory), ...found.map(({ Key: key }) => key ?? "")];
        } finally {
          client.destroy();
        }
      },
    };
    return Promise.resolve(backend);
  });

  it("A21 a large upload goes in parts of 5 MiB; one that fails is aborted, leaves nothing, and can be tried again", async () => {
    const { storage } = open();
    const companyId = randomUUID();
    const staged = await stage(storage, Buffer.alloc(11 * MIB, 1));
    server.fault = ({ method, query }) => (method === "PUT" && query.get("partNumber") === "2" ? 403 : undefined);
    await assert.rejects(storage.keep(companyId, staged), StorageUnavailableError);
    assert.deepEqual([server.uploads.size, server.objects.size], [0, 0]);
    server.fault = () => undefined;
    await storage.keep(companyId, staged);
    await storage.confirm(companyId, staged);
    assert.equal([...server.objects.values()][0]?.content.length, 11 * MIB);
    assert.equal(server.uploads.size, 0);
    storage.close();
  });

  it("A21 what is there is not sent again", async () => {
    const { storage } = open();
    const companyId = randomUUID();
    const content = Buffer.from("sent once");
    for (let round = 0; round < 3; round++) {
      const staged = await stage(storage, content);
      await storage.keep(companyId, staged);
      await storage.confirm(companyId, staged);
    }
    assert.equal(server.seen.filter(({ method }) => method === "PUT").length, 1);
    storage.close();
  });

  it("A21 no more than four uploads are in memory at a time", async () => {
    const { storage } = open();
    const companyId = randomUUID();
    const staged = await Promise.all(Array.from({ length: 9 }, (_, n) => stage(storage, Buffer.from(`content ${n}`))));
    let [running, most] = [0, 0];
    server.fault = async ({ method }) => {
      if (method !== "PUT") return undefined;
      running += 1;
      most = Math.max(most, running);
      await delay(20);
      running -= 1;
      return undefined;
    };
    await Promise.all(staged.map((each) => storage.keep(companyId, each)));
    assert.equal(most, 4);
    assert.equal(server.objects.size, 9);
    storage.close();
  });

  it("A21 sweeping deletes copies that interrupted removals left more than a day ago, page by page, and nothing else", async () => {
    const { storage, prefix } = open();
    const companyId = randomUUID();
    const staged = await stage(storage, Buffer.from("kept"));
    await storage.keep(companyId, staged);
    await storage.confirm(companyId, staged);
    for (let n = 0; n < 5; n++) server.objects.set(`${prefix}removed/old-${n}`, { content: Buffer.from("old"), modified: new Date() });
    server.age(25 * 3_600_000);
    server.objects.set(`${prefix}removed/new`, { content: Buffer.from("new"), modified: new Date() });
    assert.equal(await storage.sweep(), 5);
    const keys = [...server.objects.keys()].map((key) => key.slice(prefix.length));
    assert.deepEqual(keys.sort(), [`${companyId}/${staged.sha256.slice(0, 2)}/${staged.sha256}`, "removed/new"].sort());
    storage.close();
  });

  it("A21 a bucket that is not there, refuses or is away is an error of the storage and never a missing document", async () => {
    const address = { companyId: randomUUID(), sha256: "0".repeat(64) };
    const wrong = open(server.endpoint, "another");
    await assert.rejects(wrong.storage.read(address), StorageUnavailableError);
    const { storage } = open();
    server.fault = () => 403;
    await assert.rejects(storage.read(address), StorageUnavailableError);
    server.fault = () => 503;
    await assert.rejects(storage.read(address), StorageUnavailableError);
    assert.equal(server.seen.length, 1 + 1 + 3, "what may pass is asked three times");
    const away = open("http://127.0.0.1:1");
    await assert.rejects(away.storage.read(address), /The bucket of documents gave no answer .*ECONNREFUSED/);
    for (const each of [wrong.storage, storage, away.storage]) each.close();
  });

  it("A21 a server that falls silent is an error, before its answer and in it; a reader who pauses is none", async () => {
    const { storage } = open(server.endpoint, server.bucket, 300);
    const companyId = randomUUID();
    const content = randomBytes(8 * MIB);
    const staged = await stage(storage, content);
    await storage.keep(companyId, staged);
    const address = { companyId, sha256: staged.sha256 };
    const pieces: Buffer[] = [];
    for await (const piece of (await storage.read(address)) as AsyncIterable<Buffer>) {
      if (pieces.length < 2) await delay(700);
      pieces.push(piece);
    }
    assert.ok(Buffer.concat(pieces).equals(content));
    server.silentAfter = 1000;
    await assert.rejects(buffer(await storage.read(address)), /nothing came for 300 ms/);
    server.fault = () => new Promise(() => undefined);
    await assert.rejects(storage.read(address), StorageUnavailableError);
    await assert.rejects(storage.keep(companyId, staged), StorageUnavailableError);
    storage.close();
  });

  it("A21 the app with a bucket: uploads, ranges and deletion over HTTP, and 503 while it is away", async () => {
    const rig = await DocumentsApp.start({ S3_BUCKET: server.bucket, S3_ENDPOINT: server.endpoint });
    try {
      const document = await rig.uploaded("digits.txt", Buffer.from("0123456789"));
      const key = `uploads/${rig.companyId}/${document.sha256.slice(0, 2)}/${document.sha256}`;
      assert.deepEqual([...server.objects.keys()], [key]);
      assert.deepEqual(filesBelow(rig.root), [], "no copy is kept here");
      const part = await rig.send("GET", `/api/documents/${document.id}/content`, { headers: { Range: "bytes=2-4" } });
      assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [206, "234", "bytes 2-4/10"]);
      server.fault = () => 503;
      await refused(503, rig.send("GET", `/api/documents/${document.id}/content`));
      await refused(503, rig.upload("more.txt", Buffer.from("more")));
      server.fault = () => undefined;
      assert.deepEqual(await rig.usage(), { documents: 1, bytes: 10 });
      assert.equal((await rig.send("DELETE", `/api/documents/${document.id}`)).status, 204);
      assert.deepEqual([...server.objects.keys()], []);
    } finally {
      await rig.remove();
    }
  });
});
