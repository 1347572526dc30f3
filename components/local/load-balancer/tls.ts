/** Port of TLS inside the container; above 1024, so that it needs no privilege. */
export const TLS_PORT = 8443;

/** Port of HAProxy's own command line, open to the container's own processes only: renewed certificates come in here. */
export const COMMAND_PORT = 8405;

/** File with certificate, chain and key that HAProxy makes for itself, in a volume of its own. */
export const GENERATED_PEM = "/var/lib/haproxy-tls/tls.pem";

/** What the configuration has to know of TLS. */
export interface TlsSettings {
  /** Absolute path of the file with certificate, chain and key, inside the container. */
  readonly pemPath: string;
  /** Port users reach TLS on: where plain HTTP is redirected to. @default plain HTTP is not listened to */
  readonly redirectTo?: number | undefined;
}

/**
 * Suites of TLS 1.2: forward secrecy and authenticated encryption only, as in Mozilla's "intermediate" profile
 * (wiki.mozilla.org/Security/Server_Side_TLS); TLS 1.3 has no others.
 */
const TLS12_CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** Seconds a browser remembers to use TLS only: a year. */
const HSTS_SECONDS = 31_536_000;

/** @throws RangeError when a setting would not be one value in the configuration. */
export function assertTls({ pemPath, redirectTo }: TlsSettings): void {
  if (!/^(\/[a-z0-9][a-z0-9._-]*)+$/.test(pemPath)) throw new RangeError(`not a path of a certificate: ${pemPath}`);
  if (redirectTo !== undefined && (!Number.isInteger(redirectTo) || redirectTo < 1 || redirectTo > 65_535)) {
    throw new RangeError(`not a port to redirect to: ${redirectTo}`);
  }
}

/** Lines of the section `global`. */
export function tlsGlobals(tls: TlsSettings | undefined): string[] {
  if (tls === undefined) return [];
  return [
    "    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets prefer-client-ciphers",
    `    ssl-default-bind-ciphers ${TLS12_CIPHERS}`,
    // Nothing but the loop in start.sh runs beside HAProxy. TCP, because the image has no program that speaks to a Unix socket.
    `    stats socket ipv4@127.0.0.1:${COMMAND_PORT} level admin`,
  ];
}

/** Options of the public port's `bind`, after the address. */
export function tlsBind({ pemPath }: TlsSettings): string {
  return `ssl crt ${pemPath} alpn h2,http/1.1`;
}

/** What an answer says about TLS. Browsers ignore it with a certificate they do not trust, and for addresses instead of names. */
export function transportSecurity(tls: TlsSettings | undefined): string {
  const header = "Strict-Transport-Security";
  return tls === undefined
    ? `    http-after-response del-header ${header}`
    : `    http-after-response set-header ${header} max-age=${HSTS_SECONDS} unless { res.hdr(${header}) -m found }`;
}

/** Plain HTTP leads to the same place by TLS, with the method kept (308); nothing of the app is reachable there. */
export function redirectFrontend(port: number, tls: TlsSettings | undefined): string[] {
  if (tls?.redirectTo === undefined) return [];
  const target = tls.redirectTo === 443 ? "" : `:${tls.redirectTo}`;
  return [
    "frontend redirect",
    `    bind :${port}`,
    "    no log",
    // An answer is made of it: a name, an IPv4 or a bracketed IPv6 address, and perhaps a port.
    "    http-request deny status 400 default-errorfiles unless { req.hdr(Host) -m reg ^([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:]+\\])(:[0-9]+)?$ }",
    `    http-request redirect code 308 location https://%[req.hdr(Host),regsub(:[0-9]+$,)]${target}%[pathq]`,
    "",
  ];
}
