import { dashboard, type GrafanaDashboard, type RowSpec } from "./panels";
import type { DashboardSettings } from "./index";

const loadBalancer: RowSpec = {
  title: "Load balancer",
  panels: [
    {
      title: "Instances that are ready",
      unit: "short",
      queries: { ready: 'haproxy_backend_active_servers{job="load-balancer",proxy="app"}' },
    },
    {
      title: "Connections",
      unit: "short",
      queries: {
        now: 'haproxy_frontend_current_sessions{job="load-balancer",proxy="public"}',
        limit: 'haproxy_frontend_limit_sessions{job="load-balancer",proxy="public"}',
      },
    },
    {
      title: "Tried again, or with another instance",
      unit: "ops",
      queries: {
        "tried again": 'sum(rate(haproxy_backend_retry_warnings_total{job="load-balancer",proxy="app"}[$__rate_interval]))',
        "with another": 'sum(rate(haproxy_backend_redispatch_warnings_total{job="load-balancer",proxy="app"}[$__rate_interval]))',
      },
    },
  ],
};

const postgres: RowSpec = {
  title: "Postgres",
  panels: [
    { kind: "number", title: "Primary", unit: "short", queries: { "{{instance}}": 'patroni_primary{job="patroni"} == 1' } },
    {
      kind: "number",
      title: "Standbys that confirm writes",
      unit: "short",
      queries: { standbys: 'sum(patroni_sync_standby{job="patroni"}) + sum(patroni_quorum_standby{job="patroni"})' },
    },
    {
      kind: "number",
      title: "Size of the data",
      unit: "bytes",
      queries: { app: 'max(pg_database_size_bytes{job="postgres",datname="app"})' },
    },
    {
      title: "Behind the primary",
      unit: "bytes",
      limit: 10 * 1024 * 1024,
      queries: {
        "{{instance}}":
          'clamp_min(scalar(max(patroni_xlog_location{job="patroni"})) - patroni_xlog_replayed_location{job="patroni"}, 0) ' +
          'and on (instance) patroni_replica{job="patroni"} == 1',
      },
    },
    {
      title: "Transactions",
      unit: "ops",
      queries: { "{{instance}}": 'sum by (instance) (rate(pg_stat_database_xact_commit{job="postgres",datname="app"}[$__rate_interval]))' },
    },
    {
      title: "Connections",
      unit: "percentunit",
      limit: 0.9,
      queries: {
        "{{instance}}":
          'sum by (instance) (pg_stat_activity_count{job="postgres"}) / on (instance) pg_settings_max_connections{job="postgres"}',
      },
    },
    {
      title: "Found in memory",
      unit: "percentunit",
      max: 1,
      queries: {
        "{{instance}}":
          'sum by (instance) (pg_stat_database_blks_hit{job="postgres",datname="app"}) / ' +
          'sum by (instance) (pg_stat_database_blks_hit{job="postgres",datname="app"} + pg_stat_database_blks_read{job="postgres",datname="app"})',
      },
    },
    { title: "WAL on disk", unit: "bytes", queries: { "{{instance}}": 'pg_wal_size_bytes{job="postgres"}' } },
    {
      title: "Leases taken from dead primaries, planned switchovers",
      unit: "short",
      queries: { "dead primaries": "postgres_reaper_reaped_total", switchovers: 'postgres_switchovers_total{outcome="done"}' },
    },
  ],
};

const pgbouncer: RowSpec = {
  title: "PgBouncer",
  panels: [
    {
      title: "Clients that wait",
      unit: "short",
      queries: { "{{database}}": 'sum by (database) (pgbouncer_pools_client_waiting_connections{job="pgbouncer",database!="pgbouncer"})' },
    },
    {
      title: "Longest wait",
      unit: "s",
      limit: 2,
      queries: { "{{database}}": 'max by (database) (pgbouncer_pools_client_maxwait_seconds{job="pgbouncer",database!="pgbouncer"})' },
    },
    {
      title: "Connections to servers in use",
      unit: "short",
      queries: { "{{database}}": 'sum by (database) (pgbouncer_pools_server_active_connections{job="pgbouncer",database!="pgbouncer"})' },
    },
    {
      title: "Statements",
      unit: "ops",
      queries: {
        "{{database}}":
          'sum by (database) (rate(pgbouncer_stats_queries_pooled_total{job="pgbouncer",database!="pgbouncer"}[$__rate_interval]))',
      },
    },
    {
      title: "Share of its pool a worker uses",
      unit: "percentunit",
      limit: 0.9,
      queries: { "{{service}} {{pool}}": 'max by (service, pool) (db_pool_usage_ratio{job="app"})' },
    },
  ],
};

const redis: RowSpec = {
  title: "Redis",
  panels: [
    {
      title: "Memory",
      unit: "percentunit",
      limit: 0.85,
      queries: { "{{instance}}": 'redis_memory_used_bytes{job="redis"} / redis_memory_max_bytes{job="redis"}' },
    },
    { title: "Commands", unit: "ops", queries: { "{{instance}}": 'rate(redis_commands_processed_total{job="redis"}[$__rate_interval])' } },
    { title: "Clients", unit: "short", queries: { "{{instance}}": 'redis_connected_clients{job="redis"}' } },
    {
      title: "Given up for others, and expired",
      unit: "ops",
      queries: {
        "{{instance}} given up": 'rate(redis_evicted_keys_total{job="redis"}[$__rate_interval])',
        "{{instance}} expired": 'rate(redis_expired_keys_total{job="redis"}[$__rate_interval])',
      },
    },
    { title: "Keys", unit: "short", queries: { "{{instance}}": 'sum by (instance) (redis_db_keys{job="redis"})' } },
    {
      title: "Round trip, as the app sees it",
      unit: "s",
      queries: { "{{redis}}": 'max by (redis) (redis_ping_seconds{job="app"})' },
    },
  ],
};

const etcd: RowSpec = {
  title: "etcd",
  panels: [
    { title: "Members with a leader", unit: "short", queries: { members: 'sum(etcd_server_has_leader{job="etcd"})' } },
    {
      title: "Writing to its disk (p99)",
      unit: "s",
      queries: {
        "{{instance}}":
          'histogram_quantile(0.99, sum by (instance, le) (rate(etcd_disk_wal_fsync_duration_seconds_bucket{job="etcd"}[$__rate_interval])))',
      },
    },
    { title: "Size", unit: "bytes", queries: { "{{instance}}": 'etcd_mvcc_db_total_size_in_bytes{job="etcd"}' } },
  ],
};

/** As the app measures it: the brokers' image has no exporter. */
const kafka: RowSpec = {
  title: "Kafka",
  panels: [
    {
      title: "Events that wait to be read",
      unit: "short",
      limit: 10_000,
      queries: { "{{topic}}": 'sum by (topic) (max by (topic, partition) (kafka_consumer_lag{job="app"}))' },
    },
    {
      title: "Published, and read by what became of them",
      unit: "ops",
      queries: {
        published: 'sum(rate(events_published_total{job="app"}[$__rate_interval]))',
        "{{outcome}}": 'sum by (outcome) (rate(events_consumed_total{job="app"}[$__rate_interval]))',
      },
    },
    {
      title: "Wait in the outbox",
      unit: "short",
      limit: 10_000,
      queries: { outbox: 'max(events_outbox_size{job="app"})' },
    },
  ],
};

/** What the app stands on, by service. */
export function servicesDashboard({ database, kafka: withKafka }: DashboardSettings): GrafanaDashboard {
  return dashboard("Services", "What the app stands on, by service.", [
    loadBalancer,
    ...(database ? [postgres, pgbouncer, redis, etcd] : []),
    ...(withKafka ? [kafka] : []),
  ]);
}
