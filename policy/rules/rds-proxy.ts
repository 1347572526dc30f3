import { isBetween, isTrue } from "../parts";
import { isGiven, items, number, text } from "../read";
import { rulesOf } from "../rule";
import { AWS } from "../types";

/** Seconds that RDS Proxy lets a client wait for a connection where nothing is said (AWS' documentation of ConnectionBorrowTimeout). */
const DEFAULT_BORROW_SECONDS = 120;

/** Rules of RDS Proxy, the pooler of phase cloud. */
export const rdsProxy = rulesOf("rds-proxy", {
  "rds-proxy-tls": {
    title: "The proxy refuses connections without TLS",
    remediation: "Set requireTls.",
    types: [AWS.rdsProxy],
    parts: [isTrue("requireTls")],
  },
  "rds-proxy-secret": {
    title: "The proxy logs in with a secret of Secrets Manager",
    remediation: "Give auths an entry with authScheme SECRETS and secretArn for each user.",
    types: [AWS.rdsProxy],
    parts: [
      (proxy) => {
        const auths = items(proxy, "auths");
        if (auths.length === 0) return "auths is not set";
        return auths
          .filter((auth) => text(auth, "authScheme") !== "SECRETS" || !isGiven(auth, "secretArn"))
          .map((auth) => `${auth.at ?? ""}secretArn is not set`);
      },
    ],
  },
  "rds-proxy-connections": {
    title: "The proxy leaves a tenth of the connections to people and migrations",
    remediation: "Set connectionPoolConfig.maxConnectionsPercent to 90 or less.",
    types: [AWS.rdsProxyTargets],
    parts: [isBetween("connectionPoolConfig.maxConnectionsPercent", 1, 90, 100)],
  },
  "rds-proxy-borrow-timeout": {
    title: "A request does not wait for a connection longer than it may take",
    remediation: "Set connectionPoolConfig.connectionBorrowTimeout to the app's request timeout or less.",
    types: [AWS.rdsProxyTargets],
    parts: [
      (targets, _graph, { requestTimeoutSeconds }) => {
        const seconds = number(targets, "connectionPoolConfig.connectionBorrowTimeout") ?? DEFAULT_BORROW_SECONDS;
        return seconds <= requestTimeoutSeconds
          ? undefined
          : `connectionBorrowTimeout is ${seconds} s; allowed: at most ${requestTimeoutSeconds} s`;
      },
    ],
  },
});
