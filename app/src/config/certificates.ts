import { readFileSync } from "node:fs";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

/**
 * Reads the certificates of authorities; what does not work is added to `violations`.
 * @param name variable the path was given by. @param otherwise what may be given instead of a path, for the message.
 * @returns the file's text, PEM; `undefined` when it cannot be used.
 */
export function readCertificates(name: string, file: string, violations: string[], otherwise = ""): string | undefined {
  try {
    const pem = readFileSync(file, "utf8");
    if (CERTIFICATE.test(pem)) return pem;
    violations.push(`${name}: ${file} has no certificate; give the path of a file with PEM certificates${otherwise}.`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    violations.push(`${name}: cannot read ${file} (${code}); give the path of a readable file with PEM certificates${otherwise}.`);
  }
  return undefined;
}
