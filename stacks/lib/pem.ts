import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** Whose file it is in a sentence, and what belongs into it. */
export interface PemFile {
  /** Key of the configuration. */
  readonly key: string;
  readonly file: string;
}

/**
 * A file's content, parsed; `undefined` and one more violation when it cannot be used.
 * @param parse throws an Error whose message goes on after "KEY FILE …".
 */
export function readPem<Value>({ key, file }: PemFile, parse: (text: string) => Value, violations: string[]): Value | undefined {
  const fix = `Fix: pulumi config set ${key} PATH`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const reasons: Partial<Record<string, string>> = {
      ENOENT: "does not exist",
      EACCES: "may not be read by you",
      EISDIR: "is a directory",
    };
    const code = (error as NodeJS.ErrnoException).code ?? "";
    const home = file.startsWith("~") ? "; ~ is not expanded here" : "";
    violations.push(
      `${key} ${file} ${reasons[code] ?? `cannot be read (${code})`}${home}; allowed: a PEM file on the machine that runs pulumi, ` +
        `relative to the project's directory or absolute. ${fix}`,
    );
    return undefined;
  }
  try {
    return parse(text);
  } catch (error) {
    violations.push(`${key} ${file} ${error instanceof Error ? error.message : String(error)} ${fix}`);
    return undefined;
  }
}

/** @param wanted completes the sentence "allowed: PEM format, …". @throws Error for {@link readPem}. */
export function parseCertificates(text: string, wanted: string): X509Certificate[] {
  const blocks = pemBlocks(text).filter((block) => block.startsWith("-----BEGIN CERTIFICATE-----"));
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new Error("holds a certificate that cannot be read; allowed: certificates in PEM format, undamaged.");
  }
  throw new Error(`holds no certificate; allowed: PEM format, ${wanted}.`);
}

/** Blocks of a PEM file; an elliptic curve's parameters, which OpenSSL writes before such a key, are among them. */
export function pemBlocks(text: string): string[] {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  return blocks.map((block) =>
    block
      .split(/\s*\n\s*/)
      .filter((line) => line !== "")
      .join("\n"),
  );
}

/** `YYYY-MM-DD`. */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
