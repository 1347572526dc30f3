import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadConfig } from "../../../stacks/config";
import { loadBalancerTls, type TlsConfig, tlsViolations } from "../../../stacks/local/tls";
import { damaged, issue } from "../../support/certificates";

describe("TLS by configuration (B1)", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-tls-"));
  let files = 0;
  const file = (content: string): string => {
    const name = path.join(directory, `${(files += 1)}.pem`);
    writeFileSync(name, content);
    return name;
  };
  const off: TlsConfig = { tls: "off", tlsCertificateFile: undefined, tlsKeyFile: undefined, httpRedirectPort: undefined, port: 443 };
  const withFiles = (tlsCertificateFile: string, tlsKeyFile: string): TlsConfig => ({
    ...off,
    tls: "files",
    tlsCertificateFile,
    tlsKeyFile,
  });
  const own = issue({ name: "shop.example.com" });

  after(() => rmSync(directory, { recursive: true }));

  /** The only sentence about a pair of files. */
  const only = (certificate: string, key: string, now?: Date): string => {
    const violations = tlsViolations(withFiles(certificate, key), now);
    assert.equal(violations.length, 1, violations.join("\n"));
    const [violation = ""] = violations;
    assert.ok(!violation.includes("\n"), "one line");
    assert.match(violation, /; allowed: .*Fix: /);
    return violation;
  };

  it("is off unless asked for, and a generated certificate needs nothing", () => {
    assert.deepEqual(tlsViolations(off), []);
    assert.deepEqual(loadBalancerTls(off), {});
    const generated = { ...off, tls: "generated", httpRedirectPort: 80 } as const;
    assert.deepEqual(tlsViolations(generated), []);
    assert.deepEqual(loadBalancerTls(generated), { tls: { kind: "generated" }, redirectPort: 80 });
  });

  it("takes own files, as a secret: certificate, chain, key, and nothing that tools write between them", async () => {
    const authority = issue({ name: "authority" });
    const leaf = issue({ name: "shop.example.com", issuer: authority });
    const certificate = file(`subject=shop\r\n${leaf.certificate.replaceAll("\n", "\r\n")}\n\nissuer\n${authority.certificate}\n\n`);
    const config = withFiles(certificate, file(`Bag Attributes\n\n${leaf.key}`));
    assert.deepEqual(tlsViolations(config), []);
    const { tls } = loadBalancerTls(config);
    assert.ok(tls?.kind === "own");
    assert.equal(await pulumi.isSecret(pulumi.output(tls.pem)), true);
    const pem = await new Promise<string>((resolve) => void pulumi.output(tls.pem).apply(resolve));
    assert.equal(pem, leaf.certificate + authority.certificate + leaf.key);
  });

  it("says in one sentence what is wrong with a file", () => {
    const certificate = file(own.certificate);
    const key = file(own.key);
    assert.deepEqual(tlsViolations(withFiles(certificate, key)), []);
    assert.match(only(path.join(directory, "none.pem"), key), /^tlsCertificateFile .*none\.pem does not exist;/);
    assert.match(only(certificate, directory), /^tlsKeyFile .* is a directory;/);
    assert.match(only("~/shop.pem", key), /~ is not expanded here/);
    assert.match(only(file("hello"), key), /^tlsCertificateFile .* holds no certificate;/);
    assert.match(only(file(damaged(own.certificate)), key), /holds a certificate that cannot be read;/);
    assert.match(only(certificate, certificate), /^tlsKeyFile .* holds no private key;/);
    assert.match(only(certificate, file(own.key + own.key)), /more than one private key;/);
    assert.match(only(certificate, file(damaged(own.key))), /holds a private key that cannot be read;/);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const locked = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }) as string;
    assert.match(only(certificate, file(locked)), /protected by a passphrase/);
  });

  it("says in one sentence what does not go together", () => {
    const authority = issue({ name: "authority" });
    const leaf = issue({ issuer: authority });
    const [certificate, key] = [file(own.certificate), file(own.key)];
    assert.match(only(certificate, file(issue().key)), /^tlsKeyFile is not the key of the certificate/);
    assert.match(only(file(authority.certificate + leaf.certificate), file(leaf.key)), /the server's own first/);
    const weak = issue({ rsaBits: 1024 });
    assert.match(only(file(weak.certificate), file(weak.key)), /RSA key of 1024 bits; allowed: at least 2048/);
    assert.match(only(certificate, key, new Date(Date.now() + 31 * 86_400_000)), /expired on \d{4}-\d\d-\d\d;/);
    assert.match(only(certificate, key, new Date(Date.now() - 2 * 86_400_000)), /is valid from \d{4}-\d\d-\d\d only;/);
    assert.match(only(file(own.certificate + authority.certificate.repeat(40)), key), /allowed: at most 16000 together/);
  });

  it("says in one sentence which keys of the configuration belong together", () => {
    const [certificate, key] = [file(own.certificate), file(own.key)];
    assert.match(
      tlsViolations({ ...withFiles(certificate, key), tlsKeyFile: undefined }).join(),
      /tls is files, but tlsKeyFile is not set;/,
    );
    assert.match(
      tlsViolations({ ...withFiles(certificate, key), tls: "generated" }).join(),
      /tlsCertificateFile is set, but tls is generated;/,
    );
    assert.match(tlsViolations({ ...off, httpRedirectPort: 80 }).join(), /httpRedirectPort is 80, but tls is off;/);
    assert.match(tlsViolations({ ...off, tls: "generated", httpRedirectPort: 443 }).join(), /both 443; allowed: two different ports/);
  });

  it("is part of the stack's configuration", () => {
    const load = (values: Readonly<Record<string, string>>): ReturnType<typeof loadConfig> => {
      const named = Object.entries(values).map(([key, value]) => [`shop:${key}`, value]);
      return loadConfig({
        project: "shop",
        stack: "dev",
        values: Object.fromEntries(named) as Record<string, string>,
        isSecret: () => false,
      });
    };
    assert.equal(load({}).tls, "off");
    assert.equal(load({ tls: "generated", httpRedirectPort: "8080" }).httpRedirectPort, 8080);
    assert.throws(() => load({ tls: "on" }), /shop:tls is "on"; allowed: off, generated, files/);
    assert.throws(() => load({ tls: "files" }), /tlsCertificateFile is not set[\s\S]*tlsKeyFile is not set/);
  });
});
