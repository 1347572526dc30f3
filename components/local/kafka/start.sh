#!/usr/bin/env bash
# Formats the log directory on the first start, then becomes the broker, so that it gets the signals of `docker stop` itself.
set -euo pipefail

: "${KAFKA_BROKER:?KAFKA_BROKER is not set; give every broker the name of its file in /etc/kafka-broker, e.g. kafka-1}"
: "${KAFKA_CLUSTER_ID:?KAFKA_CLUSTER_ID is not set; give every broker of the cluster the same 16 bytes in base64url}"
config=/etc/kafka-broker/$KAFKA_BROKER.properties

# Written last by the format: what has it is whole.
if [[ ! -f /var/lib/kafka/data/meta.properties ]]; then
  # The user is part of the metadata from the beginning: whichever broker becomes controller first, brings it in. Arguments are read from a pipe, one a
  # line: the password would be in the list of processes.
  /opt/kafka/bin/kafka-storage.sh format --cluster-id="$KAFKA_CLUSTER_ID" --config "$config" \
    @<(printf '%s\n' --add-scram "SCRAM-SHA-512=[name=app,password=$(</run/secrets/app_password)]")
fi
exec /opt/kafka/bin/kafka-server-start.sh "$config"
