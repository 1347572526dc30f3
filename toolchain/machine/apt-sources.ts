/** Debian mirrors; undefined where the host names none. */
export interface Mirrors {
  /** Packages of the release, without credentials and without a trailing slash. */
  readonly main: string | undefined;
  readonly security: string | undefined;
}

/**
 * Finds the Debian mirrors among the package sources of a host.
 *
 * @param lines output of `apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(ORIGIN)'`; the origin of Ubuntu and of
 *   other sources is not Debian, so that they are never taken
 */
export function parseSources(lines: string): Mirrors {
  const sources = lines
    .split("\n")
    .map((line) => line.trim().split("|"))
    .filter(([uri, , origin]) => origin === "Debian" && uri !== undefined && URL.canParse(uri))
    .map(([uri = "", release = ""]) => ({ uri: uri.replace(/\/+$/, ""), release, address: new URL(uri) }))
    // Addresses with credentials must not end up in an image; local ones mean nothing inside a container.
    .filter(({ address }) => /^https?:$/.test(address.protocol) && address.username === "" && address.password === "");
  const security = sources.find(({ uri, release }) => release.endsWith("-security") || /debian-security/.test(uri));
  const main = sources.find((source) => source.uri !== security?.uri && !/-(?:security|backports|updates)$/.test(source.release));
  return { main: main?.uri, security: security?.uri };
}
