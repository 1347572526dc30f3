import { HOURS, line, listOf, type Pricer, scaled, textOf } from "./pricer";
import type { Tier } from "./regions";
import type { CostLine, Price } from "./types";

const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";

/** Data to clients: each part of it at the price of its tier. */
function tiered(what: string, gb: number, first: Price, tiers: readonly Tier[]): CostLine {
  let [left, shares] = [gb, 0];
  for (const [size, share] of tiers) {
    const part = Math.min(left, size);
    shares += part * share;
    left -= part;
  }
  return line(what, gb, "GB", scaled(first, gb === 0 ? 1 : shares / gb));
}

/** Of new connections each second, and GB an hour, a capacity unit has so much (Elastic Load Balancing pricing). */
const LCU = { connections: 25, gb: 1 } as const;

/** New connections for each request: browsers and CloudFront keep theirs [e]. */
const CONNECTIONS_PER_REQUEST = 0.05;

const loadBalancer: Pricer = (resource, { table, usage, resources, isFirst }) => {
  const { inputs } = resource;
  const type = textOf(inputs, "loadBalancerType") ?? "application";
  if (type !== "application") return `the price of a load balancer of type ${type} is not in the table`;
  const { price } = table;
  const lines: CostLine[] = [line("load balancer", HOURS, "hours", price("alb.hour"))];
  if (inputs["internal"] !== true) {
    const addresses = Math.max(2, listOf(inputs, "subnets").length);
    lines.push(line("public IPv4 addresses", addresses * HOURS, "hours", price("ipv4.hour")));
  }
  if (!isFirst(resource)) return lines;
  const connections = (usage.requests * CONNECTIONS_PER_REQUEST) / (HOURS * 3600) / LCU.connections;
  const units = Math.max(connections, usage.appTransferGb / HOURS / LCU.gb);
  lines.push(line("capacity units", units * HOURS, "LCU hours", price("alb.lcuHour")));
  // Behind CloudFront nothing is paid for what goes there.
  if (!resources.some((other) => other.type === DISTRIBUTION)) {
    const gb = usage.appTransferGb + usage.edgeTransferGb;
    lines.push(tiered("data to clients", gb, price("transfer.internet.gb"), table.tiers["transfer.internet.gb"]));
  }
  return lines;
};

const distribution: Pricer = (resource, { table, usage, isFirst }) => {
  if (!isFirst(resource)) return [];
  const gb = usage.appTransferGb + usage.edgeTransferGb;
  return [
    tiered("data to clients", gb, table.price("cloudfront.gb"), table.tiers["cloudfront.gb"]),
    line("requests", usage.requests / 10_000, "10,000", table.price("cloudfront.tenThousandRequests")),
  ];
};

const natGateway: Pricer = (resource, { table, usage, isFirst }) => {
  const lines: CostLine[] = [line("NAT gateway", HOURS, "hours", table.price("nat.hour"))];
  if (isFirst(resource)) lines.push(line("data through all of them", usage.natGb, "GB", table.price("nat.gb")));
  return lines;
};

const endpoint: Pricer = (resource, { table, usage, resources }) => {
  if ((textOf(resource.inputs, "vpcEndpointType") ?? "Gateway") === "Gateway") return [];
  const zones = Math.max(1, listOf(resource.inputs, "subnetIds").length);
  const first = resources.find(
    ({ type, inputs }) => type === resource.type && (textOf(inputs, "vpcEndpointType") ?? "Gateway") !== "Gateway",
  );
  const lines: CostLine[] = [line("endpoint in each zone", zones * HOURS, "hours", table.price("endpoint.hour"))];
  if (first === resource) lines.push(line("data through all of them", usage.endpointGb, "GB", table.price("endpoint.gb")));
  return lines;
};

const address: Pricer = (_resource, { table }) => [line("public IPv4 address", HOURS, "hours", table.price("ipv4.hour"))];

const vpc: Pricer = (resource, { table, usage, isFirst }) =>
  // Paid by who sends and by who receives.
  isFirst(resource)
    ? [
        line("data between zones, both directions", 2 * usage.zoneTransferGb, "GB", table.price("transfer.zone.gb")),
        ...(usage.regionTransferGb === undefined
          ? []
          : [line("data to the other region", usage.regionTransferGb, "GB", table.price("transfer.region.gb"))]),
      ]
    : [];

const zone: Pricer = (_resource, { table }) => [line("hosted zone", 1, "months", table.price("route53.zoneMonth"))];

const healthCheck: Pricer = ({ inputs }, { table }) => {
  const type = textOf(inputs, "type") ?? "";
  const options = [
    type.startsWith("HTTPS"),
    type.endsWith("STR_MATCH"),
    inputs["measureLatency"] === true,
    inputs["requestInterval"] === 10,
  ];
  const count = options.filter(Boolean).length;
  const lines: CostLine[] = [line("health check", 1, "months", table.price("route53.healthCheckMonth"))];
  if (count > 0) lines.push(line("its options", count, "months", table.price("route53.healthCheckOptionMonth")));
  return lines;
};

/** What leads to the app and between its parts. */
export const NETWORK: Readonly<Record<string, Pricer>> = {
  "aws:lb/loadBalancer:LoadBalancer": loadBalancer,
  "aws:alb/loadBalancer:LoadBalancer": loadBalancer,
  [DISTRIBUTION]: distribution,
  "aws:ec2/natGateway:NatGateway": natGateway,
  "aws:ec2/vpcEndpoint:VpcEndpoint": endpoint,
  "aws:ec2/eip:Eip": address,
  "aws:ec2/vpc:Vpc": vpc,
  "aws:route53/zone:Zone": zone,
  "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": zone,
  "aws:route53/healthCheck:HealthCheck": healthCheck,
};
