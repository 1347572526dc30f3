import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { LoadBalancerTls } from "../../components/local/load-balancer";
import { day, parseCertificates, pemBlocks, readPem } from "../lib/pem";

/** The keys of the stack configuration that TLS depends on. */
export interface TlsConfig {
  readonly tls: "off" | "generated" | "files";
  readonly tlsCertificateFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
  readonly httpRedirectPort: number | undefined;
  readonly port: number;
}

/** HAProxy takes a renewed certificate in one message of at most 16,384 bytes, command and end included. */
const MOST_BYTES = 16_000;

/** OpenSSL as Debian sets it up refuses shorter RSA keys (security level 2). */
const LEAST_RSA_BITS = 2048;

/** The end of any sentence about a file. */
const REPLACE = (key: string): string => `Fix: pulumi config set ${key} PATH`;

/** What is wrong with the TLS settings, one sentence each; files are read and their contents held against each other. */
export function tlsViolations(config: TlsConfig, now = new Date()): string[] {
  const { tls, tlsCertificateFile, tlsKeyFile, httpRedirectPort, port } = config;
  const violations: string[] = [];
  const files = { tlsCertificateFile, tlsKeyFile };
  for (const [key, file] of Object.entries(files)) {
    if (tls === "files" && file === undefined) {
      violations.push(`tls is files, but ${key} is not set; allowed: both tlsCertificateFile and tlsKeyFile. ${REPLACE(key)}`);
    } else if (tls !== "files" && file !== undefined) {
      violations.push(`${key} is set, but tls is ${tls}; allowed: files only with tls files. Fix: pulumi config set tls files`);
    }
  }
  if (httpRedirectPort !== undefined && tls === "off") {
    violations.push(
      `httpRedirectPort is ${httpRedirectPort}, but tls is off; allowed: a redirect only to TLS. Fix: pulumi config rm httpRedirectPort`,
    );
  } else if (httpRedirectPort === port) {
    violations.push(
      `httpRedirectPort and port are both ${port}; allowed: two different ports. Fix: pulumi config set httpRedirectPort ${port === 80 ? 8080 : 80}`,
    );
  }
  if (tls === "files" && tlsCertificateFile !== undefined && tlsKeyFile !== undefined) {
    violations.push(...fileViolations(tlsCertificateFile, tlsKeyFile, now));
  }
  return violations;
}

/**
 * What the load balancer is given. The files are read where the program runs; the key is a secret from here on.
 * @throws RunError when a file that passed the checks has become unusable since.
 */
export function loadBalancerTls(config: TlsConfig): { readonly tls?: LoadBalancerTls; readonly redirectPort?: number | undefined } {
  const { tls, httpRedirectPort: redirectPort } = config;
  if (tls === "off") return {};
  if (tls === "generated") return { tls: { kind: "generated" }, redirectPort };
  const violations = tlsViolations(config);
  if (violations.length > 0) throw new pulumi.RunError(violations.join("\n"));
  const pem = bundle(readFileSync(config.tlsCertificateFile ?? "", "utf8"), readFileSync(config.tlsKeyFile ?? "", "utf8"));
  return { tls: { kind: "own", pem: pulumi.secret(pem) }, redirectPort };
}

function fileViolations(certificateFile: string, keyFile: string, now: Date): string[] {
  const violations: string[] = [];
  const chain = (text: string): X509Certificate[] => parseCertificates(text, "the server's certificate first, then its chain");
  const certificates = readPem({ key: "tlsCertificateFile", file: certificateFile }, chain, violations);
  const key = readPem({ key: "tlsKeyFile", file: keyFile }, parseKey, violations);
  const own = certificates?.[0];
  if (own === undefined || certificates === undefined || key === undefined) return violations;
  violations.push(...keyViolations(certificates, own, key));
  const [from, to] = [new Date(own.validFrom), new Date(own.validTo)];
  if (now > to) {
    violations.push(
      `tlsCertificateFile ${certificateFile} expired on ${day(to)}; allowed: a certificate that is valid today. Fix: renew it`,
    );
  } else if (now < from) {
    violations.push(
      `tlsCertificateFile ${certificateFile} is valid from ${day(from)} only; allowed: a certificate that is valid today. ` +
        "Fix: use one that is, or set this machine's clock",
    );
  }
  const bytes = bundle(readFileSync(certificateFile, "utf8"), readFileSync(keyFile, "utf8")).length;
  if (bytes > MOST_BYTES) {
    violations.push(
      `tlsCertificateFile and tlsKeyFile hold ${bytes} bytes; allowed: at most ${MOST_BYTES} together. ` +
        "Fix: leave the root certificate out of the chain, clients have it",
    );
  }
  return violations;
}

function keyViolations(certificates: readonly X509Certificate[], own: X509Certificate, key: KeyObject): string[] {
  if (!own.checkPrivateKey(key)) {
    return certificates.some((certificate) => certificate.checkPrivateKey(key))
      ? [
          "tlsCertificateFile has the certificate of the key behind others; allowed: the server's own first, then its issuers. Fix: change the order",
        ]
      : [
          "tlsKeyFile is not the key of the certificate in tlsCertificateFile; allowed: the key it was issued for. " +
            "Fix: set both to files of one issue, e.g. fullchain.pem and privkey.pem of one directory",
        ];
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  return bits !== undefined && bits < LEAST_RSA_BITS
    ? [
        `tlsKeyFile is an RSA key of ${bits} bits; allowed: at least ${LEAST_RSA_BITS}, or an elliptic curve. Fix: get a certificate for a new key`,
      ]
    : [];
}

function parseKey(text: string): KeyObject {
  const blocks = pemBlocks(text).filter((block) => block.includes("PRIVATE KEY-----"));
  if (blocks.length !== 1)
    throw new Error(`holds ${blocks.length === 0 ? "no" : "more than one"} private key; allowed: one, in PEM format.`);
  const [block = ""] = blocks;
  if (/ENCRYPTED/.test(block)) {
    throw new Error("is protected by a passphrase, which nobody could type when the load balancer starts; allowed: a key without one.");
  }
  try {
    return createPrivateKey(block);
  } catch {
    throw new Error("holds a private key that cannot be read; allowed: one in PEM format, undamaged.");
  }
}

/** Certificates, then the key, without empty lines and without what tools write between the blocks. */
function bundle(certificates: string, key: string): string {
  const blocks = [
    ...pemBlocks(certificates).filter((block) => block.includes("CERTIFICATE")),
    ...pemBlocks(key).filter((block) => block.includes("PRIVATE KEY")),
  ];
  return `${blocks.join("\n")}\n`;
}
