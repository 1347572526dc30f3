#!/usr/bin/env bash
# Formats the log directory on the first start, then becomes the broker, so that it gets the signals of `docker stop` itself.
set -euo pipefail

config=/etc/kafka-broker/server.properties
: "${KAFKA_CLUSTER_ID:?KAFKA_CLUSTER_ID is not set; give every broker of the cluster the same 16 bytes in base64url}"

if [[ ! -f /var/lib/kafka/data/meta.properties ]]; then
  /opt/kafka/bin/kafka-storage.sh format --cluster-id "$KAFKA_CLUSTER_ID" --config "$config"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$config"
