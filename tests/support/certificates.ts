import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** A certificate and its key, as PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
  readonly keyObject: KeyObject;
  readonly name: string;
}

export interface IssueOptions {
  /** Common name, also a DNS name of the certificate. @default localhost */
  readonly name?: string;
  /** IPv4 addresses it is for. @default 127.0.0.1 */
  readonly addresses?: readonly string[];
  /** @default a day ago */
  readonly from?: Date;
  /** @default in thirty days */
  readonly to?: Date;
  /** Who signs. @default itself */
  readonly issuer?: Issued;
  /** Bits of an RSA key. @default a key on the curve P-256 */
  readonly rsaBits?: number;
}

const DAY_MS = 86_400_000;

/** Makes an X.509 certificate. Node can read them but not make them, and `openssl` is not on every machine. */
export function issue(options: IssueOptions = {}): Issued {
  const { name = "localhost", addresses = ["127.0.0.1"], rsaBits } = options;
  const { privateKey, publicKey } =
    rsaBits === undefined
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: rsaBits, publicExponent: 0x10001 });
  const signer = options.issuer?.keyObject ?? privateKey;
  const { from = new Date(Date.now() - DAY_MS), to = new Date(Date.now() + 30 * DAY_MS) } = options;
  const algorithm =
    signer.asymmetricKeyType === "rsa" ? sequence(objectId("1.2.840.113549.1.1.11"), der(5)) : sequence(objectId("1.2.840.10045.4.3.2"));
  const alternatives = sequence(
    der(0x82, Buffer.from(name)),
    ...addresses.map((address) => der(0x87, Buffer.from(address.split(".").map(Number)))),
  );
  const body = sequence(
    der(0xa0, der(2, Buffer.from([2]))),
    der(2, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    commonName(options.issuer?.name ?? name),
    sequence(time(from), time(to)),
    commonName(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(sequence(objectId("2.5.29.17"), der(4, alternatives)))),
  );
  const signature = der(3, Buffer.concat([Buffer.from([0]), sign("sha256", body, signer)]));
  const base64 = sequence(body, algorithm, signature).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    keyObject: privateKey,
    name,
  };
}

/** A PEM block without its second line of base64. */
export function damaged(pem: string): string {
  return pem.split("\n").toSpliced(2, 1).join("\n");
}

/** One element of DER: tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

function sequence(...content: readonly Buffer[]): Buffer {
  return der(0x30, ...content);
}

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = rest.flatMap((part) => {
    const groups = [part & 127];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128);
    return groups;
  });
  return der(6, Buffer.from([first * 40 + second, ...bytes]));
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(objectId("2.5.4.3"), der(12, Buffer.from(name)))));
}

/** UTCTime: YYMMDDhhmmssZ */
function time(date: Date): Buffer {
  return der(23, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`));
}
