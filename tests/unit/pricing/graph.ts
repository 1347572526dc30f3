import type { PricedResource } from "../../../components/aws/pricing";
import type { CloudPlan, ServicePlan } from "../../../stacks/cloud/sizing/types";

type Inputs = Readonly<Record<string, unknown>>;

function resource(type: string, name: string, inputs: Inputs = {}): PricedResource {
  return { type, name, inputs };
}

/** Resources a plan leads to, with the inputs their prices follow from: what the components of phase `cloud` register, in short. */
export function graphOf(plan: CloudPlan): PricedResource[] {
  return [...network(plan), ...databases(plan), ...stores(plan), ...runtime(plan), ...operations()];
}

function numbered<T>(count: number, make: (number: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index + 1));
}

function network({ network: { zones, natGateways } }: CloudPlan): PricedResource[] {
  const subnets = numbered(zones, (zone) => `subnet-${zone}`);
  return [
    resource("aws:ec2/vpc:Vpc", "network"),
    ...numbered(3 * zones, (index) => resource("aws:ec2/subnet:Subnet", `network-${index}`)),
    ...numbered(natGateways, (index) => resource("aws:ec2/eip:Eip", `network-nat-${index}`)),
    ...numbered(natGateways, (index) => resource("aws:ec2/natGateway:NatGateway", `network-nat-${index}`)),
    resource("aws:ec2/vpcEndpoint:VpcEndpoint", "network-s3", { vpcEndpointType: "Gateway" }),
    ...["logs", "ecr"].map((name) =>
      resource("aws:ec2/vpcEndpoint:VpcEndpoint", name, { vpcEndpointType: "Interface", subnetIds: subnets }),
    ),
    resource("aws:lb/loadBalancer:LoadBalancer", "load-balancer", { loadBalancerType: "application", internal: true, subnets }),
    resource("aws:lb/listener:Listener", "load-balancer-https"),
    resource("aws:cloudfront/distribution:Distribution", "cdn"),
    resource("aws:wafv2/webAcl:WebAcl", "waf", { rules: [{}, {}, {}, {}, {}] }),
  ];
}

function databases({ database }: CloudPlan): PricedResource[] {
  const { instanceClass, allocatedGb: allocatedStorage, multiAz, iops } = database;
  const inputs = { instanceClass, storageType: "gp3", ...(iops === undefined ? {} : { iops }) };
  return numbered(database.shards, (shard) => [
    resource("aws:rds/instance:Instance", `database-${shard}`, { ...inputs, allocatedStorage, multiAz }),
    ...numbered(database.replicas, (replica) =>
      resource("aws:rds/instance:Instance", `database-${shard}-replica-${replica}`, { ...inputs, replicateSourceDb: `database-${shard}` }),
    ),
    resource("aws:rds/proxy:Proxy", `database-${shard}-proxy`),
  ]).flat();
}

function stores({ cache, limits, events }: CloudPlan): PricedResource[] {
  const redis = (name: string, { nodeType, nodes, shards }: CloudPlan["cache"]): PricedResource => {
    const count = shards === 1 ? { numCacheClusters: nodes } : { numNodeGroups: shards, replicasPerNodeGroup: nodes - 1 };
    return resource("aws:elasticache/replicationGroup:ReplicationGroup", name, { nodeType, engine: "valkey", ...count });
  };
  const carrier = (): PricedResource[] => {
    if (events.kind === "none") return [];
    if (events.kind === "sqs") return [resource("aws:sqs/queue:Queue", "events"), resource("aws:sqs/queue:Queue", "events-dead")];
    const storageInfo = { ebsStorageInfo: { volumeSize: events.storageGb } };
    const brokerNodeGroupInfo = { instanceType: events.brokerType, storageInfo };
    return [resource("aws:msk/cluster:Cluster", "events", { numberOfBrokerNodes: events.brokers, brokerNodeGroupInfo })];
  };
  return [redis("cache", cache), redis("limits", limits), ...carrier(), resource("aws:s3/bucket:Bucket", "uploads")];
}

function runtime({ web, jobs, consumer, nodes }: CloudPlan): PricedResource[] {
  if (nodes !== undefined) {
    const scalingConfig = { minSize: nodes.minNodes, maxSize: nodes.maxNodes, desiredSize: nodes.minNodes };
    return [
      resource("aws:eks/cluster:Cluster", "cluster"),
      resource("aws:eks/nodeGroup:NodeGroup", "cluster-nodes", { instanceTypes: [nodes.instanceType], scalingConfig }),
    ];
  }
  const service = (role: string, { cpu, memoryMb, minTasks }: ServicePlan): PricedResource[] => [
    resource("aws:ecs/taskDefinition:TaskDefinition", `service-${role}-definition`, { cpu: String(cpu), memory: String(memoryMb) }),
    resource("aws:ecs/service:Service", `service-${role}`, { desiredCount: minTasks, launchType: "FARGATE" }),
  ];
  const insights = { settings: [{ name: "containerInsights", value: "enabled" }] };
  return [
    resource("aws:ecs/cluster:Cluster", "service", insights),
    ...service("web", web),
    ...service("jobs", jobs),
    ...service("consumer", consumer),
  ];
}

function operations(): PricedResource[] {
  return [
    ...["data", "logs"].map((name) => resource("aws:kms/key:Key", name)),
    ...["session", "admin", "database"].map((name) => resource("aws:secretsmanager/secret:Secret", name)),
    ...["app", "waf"].map((name) => resource("aws:cloudwatch/logGroup:LogGroup", name, { retentionInDays: 30 })),
    ...numbered(20, (index) => resource("aws:cloudwatch/metricAlarm:MetricAlarm", `alarm-${index}`)),
    resource("aws:cloudwatch/dashboard:Dashboard", "dashboard"),
    resource("aws:ecr/repository:Repository", "registry"),
    resource("aws:route53/zone:Zone", "zone"),
    resource("aws:budgets/budget:Budget", "budget"),
  ];
}
