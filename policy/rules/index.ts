import type { Rule } from "../rule";
import { albWaf } from "./alb-waf";
import { autoscaling } from "./autoscaling";
import { cloudfront } from "./cloudfront";
import { containerRules } from "./containers";
import { ecs } from "./ecs";
import { eks } from "./eks";
import { elasticache } from "./elasticache";
import { iamKms } from "./iam-kms";
import { network } from "./network";
import { operations } from "./operations";
import { rds } from "./rds";
import { rdsProxy } from "./rds-proxy";
import { s3 } from "./s3";
import { secretsQueuesLogs } from "./secrets-queues-logs";
import { securityGroups } from "./security-groups";
import { targetGroups } from "./target-groups";

/** Every rule but the cost ceiling, which needs prices: see {@link ./cost-ceiling}. */
export const RULES: readonly Rule[] = [
  ...network,
  ...securityGroups,
  ...ecs,
  ...containerRules,
  ...autoscaling,
  ...targetGroups,
  ...eks,
  ...rds,
  ...rdsProxy,
  ...elasticache,
  ...albWaf,
  ...cloudfront,
  ...s3,
  ...iamKms,
  ...secretsQueuesLogs,
  ...operations,
];
