/** Design, section 6: the stack outputs of every phase, in alphabetical order. Written out, so that a key cannot disappear unnoticed. */
export const OUTPUT_KEYS = [
  "adminToken",
  "appUrl",
  "cdnUrl",
  "consoleUrl",
  "databaseHost",
  "databasePassword",
  "databaseReaderHost",
  "grafanaUrl",
  "kafkaBrokers",
  "monthlyCostEstimate",
  "phase",
  "prometheusUrl",
  "redisHost",
  "region",
];
