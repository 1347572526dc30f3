/** The official image that Grafana's is built on, as its Dockerfile names it. Not every network can pull it; nothing stands in for it. */
export const GRAFANA_BASE_IMAGE = "grafana/grafana:12.4.0";
