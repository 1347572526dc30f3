import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { authorityCertificates, authorityViolations } from "../../../stacks/kubernetes/authorities";
import { issue } from "../../support/certificates";

const DAY_MS = 86_400_000;
const DATABASE = "postgres://app:hush-hush@db/app";
const TLS = {
  databaseUrl: `${DATABASE}?sslmode=verify-full`,
  databaseMigrationUrl: `${DATABASE}?sslmode=verify-ca`,
  redisUrl: "rediss://:hush-hush@cache",
  redisLimitsUrl: "rediss://:hush-hush@limits",
};
const NONE = { databaseCaFile: undefined, redisCaFile: undefined, kafkaCaFile: undefined, kafkaBrokers: undefined, kafkaTls: undefined };

describe("A14 authorities of one's own for services by address", () => {
  let directory: string;
  const own = issue({ name: "Shop CA" });
  const write = (name: string, content: string): string => {
    const file = path.join(directory, name);
    writeFileSync(file, content);
    return file;
  };
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "phased-authorities-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("A14 are certificates that are valid today, in PEM format, and no key", () => {
    const now = Date.now();
    const expired = issue({ from: new Date(now - 9 * DAY_MS), to: new Date(now - 5 * DAY_MS) }).certificate;
    const early = issue({ from: new Date(now + 5 * DAY_MS), to: new Date(now + 9 * DAY_MS) }).certificate;
    const cases: [string, RegExp][] = [
      [path.join(directory, "none.pem"), /none\.pem does not exist; allowed: a PEM file on the machine that runs pulumi/],
      [directory, /is a directory; allowed: a PEM file/],
      [write("text.pem", "nothing\n"), /holds no certificate; allowed: PEM format, the certificates of who signs/],
      [write("damaged.pem", own.certificate.replace("MI", "XX")), /holds a certificate that cannot be read/],
      [write("key.pem", own.certificate + own.key), /holds a private key, which every pod would be given in plain text/],
      [write("expired.pem", expired), /expired on \d{4}-\d\d-\d\d; allowed: an authority that is valid today/],
      [write("early.pem", early), /is valid from \d{4}-\d\d-\d\d only; allowed: an authority that is valid today/],
      [write("many.pem", own.certificate.repeat(600)), /has \d+ bytes; allowed: at most 262144/],
    ];
    for (const [file, expected] of cases) {
      for (const key of ["databaseCaFile", "redisCaFile"]) {
        const found = authorityViolations({ ...NONE, [key]: file }, TLS);
        assert.equal(found.length, 1, found.join());
        assert.match(found[0] ?? "", expected);
        assert.match(found[0] ?? "", new RegExp(`^${key} .*Fix: pulumi config set ${key} PATH$`));
        assert.doesNotMatch(found[0] ?? "", /PRIVATE|MII/, "nothing of the file is repeated");
      }
    }
    const bundle = write("bundle.pem", `an old one\n${expired}the one in use\n${own.certificate}${early}`);
    assert.deepEqual(authorityViolations({ ...NONE, databaseCaFile: bundle, redisCaFile: bundle }, TLS), [], "while it is replaced");
  });

  it("A14 are for connections that are encrypted: else nobody would look at a certificate", () => {
    const file = write("own.pem", own.certificate);
    const config = { ...NONE, databaseCaFile: file, redisCaFile: file, kafkaCaFile: file, kafkaBrokers: ["kafka:9093"] };
    assert.deepEqual(authorityViolations(config, TLS), []);
    const plain = {
      ...TLS,
      databaseMigrationUrl: DATABASE,
      databaseReadUrl: `${DATABASE}?sslmode=disable`,
      redisLimitsUrl: "redis://limits",
    };
    const found = authorityViolations(config, plain);
    assert.deepEqual(
      found.map((text) => /^(\w+) is set, but (\w+) has no TLS/.exec(text)?.slice(1)),
      [
        ["databaseCaFile", "databaseMigrationUrl"],
        ["databaseCaFile", "databaseReadUrl"],
        ["redisCaFile", "redisLimitsUrl"],
      ],
    );
    for (const text of found) {
      assert.match(text, /Fix: pulumi config set --secret \w+ '(postgres|rediss):/);
      assert.doesNotMatch(text, /hush/);
    }
    assert.match(authorityViolations({ ...config, kafkaTls: false }, TLS).join(), /kafkaCaFile is set, but kafkaTls is false/);
    assert.match(authorityViolations({ ...config, kafkaBrokers: undefined }, TLS).join(), /kafkaCaFile is set, but kafkaBrokers is not/);
    assert.deepEqual(authorityViolations(config, { databaseUrl: "hush-hush" }), [], "an address that is none is reported as such");
  });

  it("A14 are handed on without what tools write between certificates", () => {
    const file = write("commented.pem", `# Shop\r\nsubject=CN = Shop\n${own.certificate}`);
    assert.deepEqual(authorityCertificates({ ...NONE, databaseCaFile: file, kafkaCaFile: file }), {
      DATABASE_CA: own.certificate,
      KAFKA_TLS_CA_FILE: own.certificate,
    });
    assert.deepEqual(authorityCertificates(NONE), {});
  });
});
