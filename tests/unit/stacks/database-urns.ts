export const CONTAINER = "docker:index/container:Container";
export const VOLUME = "docker:index/volume:Volume";
export const IMAGE = "docker:index/image:Image";
export const PASSWORD = "random:index/randomPassword:RandomPassword";
export const local = (type: string): string => `phased-stack:local:${type}`;
const FILES = local("SecretFiles");

/** A component's image. */
const imageOf = (type: string, name: string): string[] => [
  `${local(type)}$${local("Image")}::${name}-image`,
  `${local(type)}$${local("Image")}$${IMAGE}::${name}-image-build`,
];
/** A component's secrets: the component, its volume and writer, and a password for each name. */
const secretsOf = (type: string, name: string, passwords: readonly string[]): string[] => [
  `${local(type)}$${FILES}::${name}-secrets`,
  `${local(type)}$${FILES}$${CONTAINER}::${name}-secrets-writer`,
  `${local(type)}$${FILES}$${VOLUME}::${name}-secrets-volume`,
  ...passwords.map((password) => `${local(type)}$${FILES}$${PASSWORD}::${name}-secrets-${password}`),
];

export const POSTGRES_PASSWORDS = [
  "app",
  "backup-passphrase",
  "monitor",
  "owner",
  "patroni",
  "readonly",
  "replication",
  "rewind",
  "superuser",
];

/** URNs that both phases have: what changes here is replaced by a switch of phase, and with it the data of phase `cluster`. */
export const SHARED_URNS = [
  `${local("App")}$${CONTAINER}::app-0`,
  `${local("App")}::app`,
  `${local("Image")}$${IMAGE}::app-image-build`,
  `${local("Image")}::app-image`,
  `${local("LoadBalancer")}$${CONTAINER}::load-balancer-haproxy`,
  ...imageOf("LoadBalancer", "load-balancer"),
  ...secretsOf("LoadBalancer", "load-balancer", []),
  `${local("LoadBalancer")}::load-balancer`,
  `${local("Network")}$docker:index/network:Network::network-bridge`,
  `${local("Network")}::network`,
  `${FILES}$${CONTAINER}::secrets-writer`,
  `${FILES}$${VOLUME}::secrets-volume`,
  `${FILES}$${PASSWORD}::secrets-admin-token`,
  `${FILES}$${PASSWORD}::secrets-session-secret`,
  `${FILES}::secrets`,
  `${local("Sqlite")}$${VOLUME}::database-data`,
  `${local("Sqlite")}::database`,
];

/** URNs of phase `database`. A URN is an identity: changing one here replaces the resource, and with it the data, on users' stacks. */
export const FROZEN_URNS = [
  ...SHARED_URNS,
  `${local("App")}$${CONTAINER}::app-1`,
  `${local("App")}$${CONTAINER}::app-2`,
  `${local("App")}$${CONTAINER}::jobs-0`,
  `${local("App")}::jobs`,
  `${local("DataMove")}$${CONTAINER}::data-move-copy`,
  `${local("DataMove")}::data-move`,
  `${local("Migrate")}$${CONTAINER}::migrate-run`,
  `${local("Migrate")}::migrate`,
  ...["app-secrets", "owner-secrets"].flatMap((name) => [
    `${FILES}$${CONTAINER}::${name}-writer`,
    `${FILES}$${VOLUME}::${name}-volume`,
    `${FILES}::${name}`,
  ]),
  `${local("Etcd")}$${CONTAINER}::etcd-1`,
  `${local("Etcd")}$${VOLUME}::etcd-1-data`,
  ...imageOf("Etcd", "etcd"),
  `${local("Etcd")}::etcd`,
  ...["pg-1", "pg-2", "pg-3"].flatMap((node) => [
    `${local("Postgres")}$${CONTAINER}::postgres-${node}`,
    `${local("Postgres")}$${VOLUME}::postgres-${node}-data`,
  ]),
  `${local("Postgres")}$${VOLUME}::postgres-backups`,
  ...imageOf("Postgres", "postgres"),
  ...secretsOf("Postgres", "postgres", POSTGRES_PASSWORDS),
  `${local("Postgres")}::postgres`,
  `${local("PostgresProxy")}$${CONTAINER}::postgres-proxy-container`,
  `${local("PostgresProxy")}$${VOLUME}::postgres-proxy-sockets`,
  ...imageOf("PostgresProxy", "postgres-proxy"),
  `${local("PostgresProxy")}::postgres-proxy`,
  `${local("PgBouncer")}$${CONTAINER}::pgbouncer-container`,
  ...imageOf("PgBouncer", "pgbouncer"),
  ...secretsOf("PgBouncer", "pgbouncer", ["operator-password"]),
  `${local("PgBouncer")}::pgbouncer`,
  `${local("PostgresOperator")}$${CONTAINER}::postgres-operator-container`,
  ...imageOf("PostgresOperator", "postgres-operator"),
  ...secretsOf("PostgresOperator", "postgres-operator", []),
  `${local("PostgresOperator")}::postgres-operator`,
  ...["redis-cache", "redis-limits"].flatMap((name) => [
    `${local("Redis")}$${CONTAINER}::${name}-container`,
    `${local("Redis")}$${VOLUME}::${name}-data`,
    ...imageOf("Redis", name),
    ...secretsOf("Redis", name, ["password"]),
    `${local("Redis")}::${name}`,
  ]),
];

/** What `kafka: true` adds. The volumes of the brokers, the cluster's id and the passwords belong together. */
export const KAFKA_URNS = [
  ...["1", "2", "3"].flatMap((broker) => [
    `${local("Kafka")}$${CONTAINER}::kafka-${broker}`,
    `${local("Kafka")}$${VOLUME}::kafka-${broker}-data`,
  ]),
  `${local("Kafka")}$random:index/randomId:RandomId::kafka-cluster-id`,
  ...imageOf("Kafka", "kafka"),
  ...secretsOf("Kafka", "kafka", ["app-password", "broker-password"]),
  `${local("Kafka")}::kafka`,
  `${local("App")}$${CONTAINER}::consumer-0`,
  `${local("App")}::consumer`,
];

/** What `monitoring: true` adds. */
export const MONITORING_URNS = [
  ...["node", "postgres", "pgbouncer", "redis"].map((one) => `${local("Exporters")}$${CONTAINER}::exporters-${one}`),
  ...imageOf("Exporters", "exporters"),
  ...secretsOf("Exporters", "exporters", []),
  `${local("Exporters")}::exporters`,
  ...["Prometheus", "Alertmanager", "Grafana"].flatMap((type) => [
    `${local(type)}$${CONTAINER}::${type.toLowerCase()}-container`,
    `${local(type)}$${VOLUME}::${type.toLowerCase()}-data`,
    ...imageOf(type, type.toLowerCase()),
    `${local(type)}::${type.toLowerCase()}`,
  ]),
  ...secretsOf("Grafana", "grafana", ["admin-password"]),
];

export const urns = (ends: readonly string[]): string[] => ends.map((end) => `urn:pulumi:dev::phased-stack::${end}`).sort();
