import { line, listOf, numberOf, type Pricer } from "./pricer";

const webAcl: Pricer = ({ inputs }, { table, usage }) => {
  const rules = listOf(inputs, "rules").length;
  return [
    line("web ACL", 1, "months", table.price("waf.aclMonth")),
    line("rules", rules, "rules", table.price("waf.ruleMonth")),
    // Each ACL looks at every request.
    line("requests", usage.requests / 1e6, "million", table.price("waf.millionRequests")),
  ];
};

const webAclRule: Pricer = (_resource, { table }) => [line("rule", 1, "rules", table.price("waf.ruleMonth"))];

const key: Pricer = (_resource, { table }) => [line("key", 1, "months", table.price("kms.keyMonth"))];

const secret: Pricer = ({ inputs }, { table }) => {
  // Each copy in another region is paid like the first.
  const copies = 1 + listOf(inputs, "replicas").length;
  return [line("secret", copies, "months", table.price("secrets.secretMonth"))];
};

/** Days log entries are kept when a group says nothing: for ever, of which the first year is counted. */
const KEPT_FOR_EVER_DAYS = 365;

/** What is left of log entries when they are compressed, by which their storage is paid (CloudWatch pricing, examples). */
const COMPRESSED = 0.15;

const logGroup: Pricer = (resource, { table, usage, resources, isFirst }) => {
  if (!isFirst(resource)) return [];
  const days = resources
    .filter(({ type }) => type === resource.type)
    .map(({ inputs }) => numberOf(inputs, "retentionInDays") ?? 0)
    .map((retention) => (retention === 0 ? KEPT_FOR_EVER_DAYS : retention));
  const average = days.reduce((sum, retention) => sum + retention, 0) / days.length;
  return [
    line("logs of all groups", usage.logsGb, "GB", table.price("logs.gb")),
    line("logs kept", (usage.logsGb * COMPRESSED * average) / 30, "GB", table.price("logs.stored.gbMonth")),
  ];
};

const alarm: Pricer = ({ inputs }, { table }) => {
  // An alarm over an expression is paid for each metric in it.
  const metrics = listOf(inputs, "metricQueries").filter((query) => JSON.stringify(query).includes('"metric"')).length;
  return [line("alarm", Math.max(1, metrics), "metrics", table.price("cloudwatch.alarmMonth"))];
};

const compositeAlarm: Pricer = (_resource, { table }) => [
  line("composite alarm", 1, "months", table.price("cloudwatch.compositeAlarmMonth")),
];

const dashboard: Pricer = (_resource, { table }) => [line("dashboard", 1, "months", table.price("cloudwatch.dashboardMonth"))];

const metricFilter: Pricer = ({ inputs }, { table }) =>
  inputs["metricTransformation"] === undefined ? [] : [line("metric", 1, "metrics", table.price("cloudwatch.metricMonth"))];

/** What protects and watches. */
export const OPERATIONS: Readonly<Record<string, Pricer>> = {
  "aws:wafv2/webAcl:WebAcl": webAcl,
  "aws:wafv2/webAclRule:WebAclRule": webAclRule,
  "aws:kms/key:Key": key,
  "aws:kms/replicaKey:ReplicaKey": key,
  "aws:secretsmanager/secret:Secret": secret,
  "aws:cloudwatch/logGroup:LogGroup": logGroup,
  "aws:cloudwatch/metricAlarm:MetricAlarm": alarm,
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": compositeAlarm,
  "aws:cloudwatch/dashboard:Dashboard": dashboard,
  "aws:cloudwatch/logMetricFilter:LogMetricFilter": metricFilter,
};
