import { dashboard, type GrafanaDashboard } from "./panels";

/** The Docker host, and what watches it. */
export function infrastructureDashboard(): GrafanaDashboard {
  return dashboard("Infrastructure", "The Docker host, and what watches it.", [
    {
      title: "Host",
      panels: [
        {
          kind: "number",
          title: "CPU",
          unit: "percentunit",
          limit: 0.8,
          queries: { used: '1 - avg(sum by (cpu) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[5m])))' },
        },
        {
          kind: "number",
          title: "Memory",
          unit: "percentunit",
          limit: 0.85,
          queries: { used: "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes" },
        },
        {
          kind: "number",
          title: "Disk",
          unit: "percentunit",
          limit: 0.85,
          queries: { used: '1 - node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes{mountpoint="/"}' },
        },
        { kind: "number", title: "Processes that want a core", unit: "short", queries: { load: "node_load1" } },
        {
          title: "CPU by mode",
          unit: "percentunit",
          max: 1,
          queries: { "{{mode}}": 'avg by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[$__rate_interval]))' },
        },
        {
          title: "Memory",
          unit: "bytes",
          queries: {
            available: "node_memory_MemAvailable_bytes",
            "page cache": "node_memory_Cached_bytes",
            total: "node_memory_MemTotal_bytes",
          },
        },
        {
          title: "Load",
          unit: "short",
          queries: { "1 minute": "node_load1", "5 minutes": "node_load5", "15 minutes": "node_load15" },
        },
        {
          title: "Disks: share of the time they work",
          unit: "percentunit",
          queries: { "{{device}}": "rate(node_disk_io_time_seconds_total[$__rate_interval])" },
        },
        {
          title: "Disks: bytes",
          unit: "Bps",
          queries: {
            "{{device}} read": "rate(node_disk_read_bytes_total[$__rate_interval])",
            "{{device}} written": "rate(node_disk_written_bytes_total[$__rate_interval])",
          },
        },
        {
          title: "Free on the disk of Docker",
          unit: "bytes",
          queries: { free: 'node_filesystem_avail_bytes{mountpoint="/"}' },
        },
      ],
    },
    {
      title: "What is looked at",
      panels: [
        { title: "Targets that answer", unit: "short", queries: { "{{job}}": "sum by (job) (up)" } },
        { title: "How long a look takes", unit: "s", queries: { "{{job}}": "max by (job) (scrape_duration_seconds)" } },
        {
          title: "Prometheus",
          unit: "short",
          queries: {
            series: "prometheus_tsdb_head_series",
            "samples a second": "rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval])",
          },
        },
      ],
    },
  ]);
}
