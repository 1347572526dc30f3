# Reads an answer to Kafka's request Metadata, version 1, as bytes in decimal (od -An -v -tu1), and prints it as JSON, or judges it by `mode`.
# own: number of this broker; settled: 1 once all its copies have been in sync.

function byte() { if (at >= size) fail("the answer is too short"); return bytes[at++] + 0 }
function short(  value) { value = byte() * 256; return value + byte() }
function integer(  value, n) { for (n = 0; n < 4; n++) value = value * 256 + byte(); return value > 2147483647 ? value - 4294967296 : value }
# Names of hosts and topics are ASCII; a length of 65535 is null.
function text(  length_, value) { length_ = short(); if (length_ == 65535) return ""; while (length_-- > 0) value = value sprintf("%c", byte()); return value }
function list(  count, value, n) { count = integer(); for (n = 0; n < count; n++) value = value (n ? "," : "") integer(); return value }
function has(numbers, one) { return index("," numbers ",", "," one ",") > 0 }
function fail(why) { print "broker-state: " why > "/dev/stderr"; failed = 1; exit 1 }

{ for (n = 1; n <= NF; n++) bytes[size++] = $n }

END {
  if (failed) exit 1
  integer()
  count = integer()
  for (n = 0; n < count; n++) {
    brokers = brokers (n ? "," : "") integer()
    text(); integer(); text()
  }
  integer()
  topics = integer()
  for (t = 0; t < topics; t++) {
    error = short(); topic = text(); byte()
    count = integer()
    for (p = 0; p < count; p++) {
      short(); number = integer(); leader = integer(); replicas = list(); isr = list()
      if (has(replicas, own) && !has(isr, own)) behind++
      partitions = partitions (partitions == "" ? "" : ",") sprintf("{\"topic\":\"%s\",\"partition\":%d,\"leader\":%d,\"replicas\":[%s],\"inSync\":[%s]}", topic, number, leader, replicas, isr)
    }
  }
  if (mode != "healthy") {
    printf "{\"broker\":%d,\"brokers\":[%s],\"partitions\":[%s]}\n", own, brokers, partitions
  } else if (!has(brokers, own)) {
    fail("broker " own " takes no part in the cluster")
  } else if (!settled && behind > 0) {
    fail(behind " partitions of broker " own " are not in sync yet")
  }
}
