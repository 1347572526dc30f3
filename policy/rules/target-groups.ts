import { READY_PATH } from "../../components/contract";
import { byProfile, isBetween, isOneOf } from "../parts";
import { text } from "../read";
import { rulesOf } from "../rule";
import { AWS } from "../types";

/** Rules of the load balancer's target groups. */
export const targetGroups = rulesOf("target-groups", {
  "target-groups-deregistration": {
    title: "A target that leaves has 30 seconds for requests in flight",
    devRelaxation: "5 to 30 seconds",
    remediation: "Set deregistrationDelay to 30.",
    types: [AWS.targetGroup],
    // AWS' own default is 300 s, which every deployment would wait for.
    parts: [byProfile(isBetween("deregistrationDelay", 30, 30, 300), isBetween("deregistrationDelay", 5, 30, 300))],
  },
  "target-groups-algorithm": {
    title: "A request goes to the target with the fewest in flight",
    remediation: "Set loadBalancingAlgorithmType to least_outstanding_requests.",
    types: [AWS.targetGroup],
    parts: [isOneOf("loadBalancingAlgorithmType", "least_outstanding_requests")],
  },
  "target-groups-ip": {
    title: "Targets are tasks and pods themselves, not the machines below them",
    remediation: "Set targetType to ip.",
    types: [AWS.targetGroup],
    parts: [isOneOf("targetType", "ip")],
  },
  "target-groups-readiness": {
    title: "Targets are asked every 10 seconds whether they are ready",
    cites: ["CKV_AWS_261"],
    remediation: `Set healthCheck.path to ${READY_PATH} and healthCheck.interval to 10.`,
    types: [AWS.targetGroup],
    parts: [
      (group) =>
        text(group, "healthCheck.path") === READY_PATH
          ? undefined
          : `healthCheck.path is ${text(group, "healthCheck.path") || "not set"}; allowed: ${READY_PATH}`,
      isBetween("healthCheck.interval", 10, 10),
    ],
  },
});
