import { readFileSync } from "node:fs";
import { day, parseCertificates, pemBlocks, type PemFile, readPem } from "./pem";

/** What a file with authorities may be, beside PEM. */
export interface AuthorityLimits {
  /** Who is given the file, for the sentence about a private key in it. */
  readonly reader: string;
  readonly mostBytes: number;
}

/** What is wrong with a file of certificates of those who sign servers' certificates, one sentence each. */
export function authorityFileViolations(pem: PemFile, { reader, mostBytes }: AuthorityLimits, now: Date): string[] {
  const violations: string[] = [];
  const certificates = readPem(
    pem,
    (text) => {
      if (pemBlocks(text).some((block) => block.includes("PRIVATE KEY-----"))) {
        throw new Error(`holds a private key, which ${reader} would be given in plain text; allowed: certificates only.`);
      }
      const found = parseCertificates(text, "the certificates of who signs the servers'");
      if (text.length > mostBytes)
        throw new Error(`has ${text.length} bytes; allowed: at most ${mostBytes}. Leave out who signs no server of yours.`);
      return found.map(({ validFrom, validTo }) => ({ from: new Date(validFrom), to: new Date(validTo) }));
    },
    violations,
  );
  // While an authority is being replaced, the old one and the next one may be there beside the one in use.
  if (certificates === undefined || certificates.some(({ from, to }) => from <= now && now <= to)) return violations;
  const latest = certificates.reduce((a, b) => (a.to > b.to ? a : b));
  const when = latest.to < now ? `expired on ${day(latest.to)}` : `is valid from ${day(latest.from)} only`;
  const { key, file } = pem;
  return [...violations, `${key} ${file} ${when}; allowed: an authority that is valid today. Fix: pulumi config set ${key} PATH`];
}

/** A file's certificates; what tools write between them is nobody's business. */
export function readAuthorities(file: string): string {
  return `${pemBlocks(readFileSync(file, "utf8")).join("\n")}\n`;
}
