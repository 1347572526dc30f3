import assert from "node:assert/strict";
import { valueOrUnknown } from "../../../policy/graph";
import { type Changes, cloudRun, EKS, TWO_REGIONS } from "../../support/cloud-program";
import type { Registered } from "../../support/pulumi-mocks";

/**
 * Types whose loss is the loss of data, of what opens data, or of an address that others know; and the inputs with whose change AWS, or the
 * provider, makes a new one ("Forces new resource" in the documentation of the Terraform provider, as far as the program gives them).
 */
const STATEFUL: Readonly<Record<string, readonly string[]>> = {
  "aws:rds/instance:Instance": ["engine", "username", "dbName", "storageEncrypted", "kmsKeyId", "availabilityZone", "identifier"],
  "aws:elasticache/replicationGroup:ReplicationGroup": [
    "replicationGroupId",
    "port",
    "subnetGroupName",
    "kmsKeyId",
    "atRestEncryptionEnabled",
  ],
  "aws:msk/cluster:Cluster": ["clusterName", "brokerNodeGroupInfo.clientSubnets", "encryptionInfo.encryptionAtRestKmsKeyArn"],
  "aws:s3/bucket:Bucket": ["bucket", "bucketPrefix", "objectLockEnabled"],
  "aws:kms/key:Key": ["customerMasterKeySpec", "keyUsage", "multiRegion"],
  "aws:ecr/repository:Repository": ["name", "encryptionConfigurations"],
  "aws:secretsmanager/secret:Secret": ["name", "namePrefix"],
  "random:index/randomPassword:RandomPassword": ["length", "special", "keepers"],
  "random:index/randomId:RandomId": ["byteLength", "keepers"],
  "aws:lb/loadBalancer:LoadBalancer": ["name", "internal", "loadBalancerType"],
  "aws:cloudfront/distribution:Distribution": [],
  "aws:ec2/vpc:Vpc": ["cidrBlock"],
  "aws:ec2/subnet:Subnet": ["cidrBlock", "availabilityZone", "vpcId"],
  "aws:eks/cluster:Cluster": ["name", "roleArn", "encryptionConfig", "kubernetesNetworkConfig.serviceIpv4Cidr"],
};

/** There are nine, and everything is in them: they must not be replaced, but are not written down one by one below. */
const NOT_FROZEN = "aws:ec2/subnet:Subnet";

/** Words of pushes: another version has another one. */
const OF_PUSHES = /app-image-push$/;

/** A URN is an identity: changing one here replaces the resource, and with it the data, on users' stacks. */
const FROZEN = [
  "Cache$aws:elasticache/replicationGroup:ReplicationGroup::redis-cache-group",
  "Cache$aws:elasticache/replicationGroup:ReplicationGroup::redis-limits-group",
  "Cache$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::redis-cache-url-secret",
  "Cache$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::redis-limits-url-secret",
  "Cache$random:index/randomId:RandomId::redis-cache-group-snapshot-suffix",
  "Cache$random:index/randomId:RandomId::redis-limits-group-snapshot-suffix",
  "Cache$random:index/randomPassword:RandomPassword::redis-cache-token",
  "Cache$random:index/randomPassword:RandomPassword::redis-limits-token",
  "Cdn$aws:cloudfront/distribution:Distribution::cdn-distribution",
  "Database$aws:rds/instance:Instance::database-primary",
  "Database$aws:rds/instance:Instance::database-replica-1",
  "Database$aws:rds/instance:Instance::database-replica-2",
  "Database$phased-stack:aws:GeneratedSecret$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::database-app-kept-secret",
  "Database$phased-stack:aws:GeneratedSecret$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::database-owner-kept-secret",
  "Database$phased-stack:aws:GeneratedSecret$random:index/randomPassword:RandomPassword::database-app-generated",
  "Database$phased-stack:aws:GeneratedSecret$random:index/randomPassword:RandomPassword::database-owner-generated",
  "Database$random:index/randomId:RandomId::database-primary-snapshot-suffix",
  "GeneratedSecret$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::admin-token-kept-secret",
  "GeneratedSecret$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::session-secret-kept-secret",
  "GeneratedSecret$random:index/randomPassword:RandomPassword::admin-token-generated",
  "GeneratedSecret$random:index/randomPassword:RandomPassword::session-secret-generated",
  "Kafka$aws:msk/cluster:Cluster::events-cluster",
  "Keys$aws:kms/key:Key::cdn-keys-logs",
  "Keys$aws:kms/key:Key::keys-data",
  "Keys$aws:kms/key:Key::keys-logs",
  "Keys$aws:kms/key:Key::keys-messages",
  "Keys$aws:kms/key:Key::keys-storage",
  "LoadBalancer$aws:lb/loadBalancer:LoadBalancer::load-balancer-alb",
  "LoadBalancer$random:index/randomPassword:RandomPassword::load-balancer-origin",
  "Network$aws:ec2/vpc:Vpc::network-vpc",
  "Registry$aws:ecr/repository:Repository::registry-app",
  "SigningKeys$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::uploads-key-even-secret",
  "SigningKeys$phased-stack:aws:Secret$aws:secretsmanager/secret:Secret::uploads-key-odd-secret",
  "SigningKeys$random:index/randomPassword:RandomPassword::uploads-key-generated",
  "Storage$phased-stack:aws:Bucket$aws:s3/bucket:Bucket::storage-assets-bucket",
  "Storage$phased-stack:aws:Bucket$aws:s3/bucket:Bucket::storage-logs-bucket",
  "Storage$phased-stack:aws:Bucket$aws:s3/bucket:Bucket::storage-uploads-bucket",
].map(urnOf);

/** What EKS has on top of that. */
const FROZEN_ON_EKS = ["KubernetesCluster$aws:eks/cluster:Cluster::cluster-eks"].map(urnOf);

/** What each database after the first has on top of that (A17): the same with its name, but the app's login, which they share. */
const frozenShard = (name: string): string[] =>
  FROZEN.filter((urn) => urn.includes("::database-") && !urn.includes("::database-app-")).map((urn) =>
    urn.replace("::database-", `::database-${name}-`),
  );

/** What the second region has on top of that (A16); of what is named alike in both, the same with its prefix. */
const FROZEN_IN_SECOND = [
  ...FROZEN.filter((urn) => /::(redis|keys|network|registry)-|::load-balancer-alb$/.test(urn)).map(inSecond),
  ...[
    "StandbyDatabase$aws:rds/instance:Instance::second-database-server",
    "StandbyDatabase$random:index/randomId:RandomId::second-database-server-snapshot-suffix",
    "StandbyStorage$phased-stack:aws:Bucket$aws:s3/bucket:Bucket::second-storage-logs-bucket",
    "StandbyStorage$phased-stack:aws:Bucket$aws:s3/bucket:Bucket::second-storage-uploads-bucket",
  ].map(urnOf),
];

function inSecond(urn: string): string {
  return urn.replace(/::([\w-]+)$/, "::second-$1");
}

function urnOf(rest: string): string {
  return `urn:pulumi:prod::phased-stack::phased-stack:aws:${rest}`;
}

async function stateful(changes: Changes): Promise<Registered[]> {
  const { recorder } = await cloudRun("prod", changes);
  return recorder.resources.filter(({ type, name }) => type in STATEFUL && !OF_PUSHES.test(name));
}

async function frozen(changes: Changes): Promise<string[]> {
  const kept = (await stateful(changes)).filter(({ type }) => type !== NOT_FROZEN);
  return kept.map(({ urn }) => urn).sort();
}

/** Resources of the first configuration that a change to the second one deletes or replaces, with the reason. */
async function lost(before: Changes, after: Changes): Promise<string[]> {
  const later = new Map((await stateful(after)).map((resource) => [resource.urn, resource]));
  return (await stateful(before)).flatMap((former): string[] => {
    const now = later.get(former.urn);
    if (now === undefined) return [`${former.name} is deleted`];
    const changed = (STATEFUL[former.type] ?? []).filter(
      (input) => JSON.stringify(valueOrUnknown(former, input)) !== JSON.stringify(valueOrUnknown(now, input)),
    );
    return changed.map((input) => `${former.name} is replaced because of ${input}`);
  });
}

/** Changes a user makes to a stack that runs. */
const CHANGES: Readonly<Record<string, readonly [before: Changes, after: Changes]>> = {
  "more users": [{ users: "10000" }, { users: "50000" }],
  "fewer users": [
    { users: "50000", databaseReplicas: "2" },
    { users: "20000", databaseReplicas: "2" },
  ],
  "another replica": [{}, { databaseReplicas: "3" }],
  "a second database": [{}, { databases: "2" }],
  "a third one, and new companies in it alone": [{ databases: "2" }, { databases: "3", databaseShardsForNew: "s3" }],
  "a second database on EKS": [EKS, { ...EKS, databases: "2" }],
  "queues for events": [{}, { events: "sqs" }],
  "brokers for events": [{}, { events: "msk" }],
  "from ECS to EKS": [{}, EKS],
  "another image": [{}, { image: `123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:${"b".repeat(64)}` }],
  "an image of one's own instead of the built one": [{ image: undefined }, {}],
  "the built image instead of one's own": [{}, { image: undefined }],
  "the same in both regions": [{ ...TWO_REGIONS, image: undefined, secondImage: undefined }, TWO_REGIONS],
  "other servers": [{}, { databaseClass: "db.r6g.4xlarge", cacheNodeType: "cache.r7g.xlarge", limitsNodeType: "cache.r7g.large" }],
  "a second region": [{}, TWO_REGIONS],
  "a second region on EKS": [EKS, { ...EKS, ...TWO_REGIONS }],
  "the second region takes over": [TWO_REGIONS, { ...TWO_REGIONS, writeRegion: TWO_REGIONS.secondRegion }],
  "the second region takes over on EKS": [
    { ...EKS, ...TWO_REGIONS },
    { ...EKS, ...TWO_REGIONS, writeRegion: TWO_REGIONS.secondRegion },
  ],
  "from ECS to EKS in both regions": [TWO_REGIONS, { ...EKS, ...TWO_REGIONS }],
  "another domain": [{}, { domainName: "store.example.com" }],
};

describe("identities of phase cloud", function () {
  this.timeout(60_000);

  it("A14 what holds data keeps its URN, on ECS and on EKS", async () => {
    assert.deepEqual(await frozen({ events: "msk" }), [...FROZEN].sort());
    assert.deepEqual(await frozen({ ...EKS, events: "msk" }), [...FROZEN, ...FROZEN_ON_EKS].sort());
  });

  it("A16 so does what holds data in the second region", async () => {
    const built = { ...TWO_REGIONS, image: undefined, secondImage: undefined };
    const withoutEvents = FROZEN.filter((urn) => !urn.includes("Kafka"));
    const both = [...withoutEvents, ...FROZEN_IN_SECOND];
    assert.deepEqual(await frozen(built), both.sort());
    const clusters = [...FROZEN_ON_EKS, ...FROZEN_ON_EKS.map(inSecond)];
    assert.deepEqual(await frozen({ ...EKS, ...built }), [...both, ...clusters].sort());
  });

  it("A17 so does what holds data of further databases, and there is no more of the first one's", async () => {
    const changes = { events: "msk", image: undefined, databases: "3" };
    const all = [...FROZEN, ...frozenShard("s2"), ...frozenShard("s3")];
    assert.deepEqual(await frozen(changes), [...all].sort());
    assert.deepEqual(await frozen({ ...EKS, ...changes }), [...all, ...FROZEN_ON_EKS].sort());
    assert.equal(frozenShard("s2").length, 6);
  });

  for (const [what, [before, after]] of Object.entries(CHANGES)) {
    it(`A14 replaces and deletes nothing that has data: ${what}`, async () => {
      assert.deepEqual(await lost(before, after), []);
    });
  }

  it("A14 tells what would be replaced, and what would go", async () => {
    assert.ok((await lost({}, { vpcCidr: "10.8.0.0/16" })).includes("network-vpc is replaced because of cidrBlock"));
    assert.deepEqual(await lost({ events: "msk" }, {}), ["events-cluster is deleted"]);
    const without = await lost({ databases: "2" }, {});
    assert.ok(without.includes("database-s2-primary is deleted"));
    assert.ok(
      without.every((sentence) => /^database-s2-[\w-]+ is deleted$/.test(sentence)),
      without.join("\n"),
    );
  });
});
