import assert from "node:assert/strict";
import fc from "fast-check";
import { type Member, SecurityGroups } from "../../../../components/aws/security-groups";
import { Network, type NetworkArgs } from "../../../../components/aws/network";
import { parseCidr, subnetLayout } from "../../../../components/aws/network/cidr";
import { INTERFACE_ENDPOINTS, NetworkEndpoints } from "../../../../components/aws/network/endpoints";
import { Recorder, settled } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const ROUTE = "aws:ec2/route:Route";
const ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];
const ARGS: NetworkArgs = { context: CONTEXT, zones: ZONES, natGateways: 3 };

describe("A14 ranges of subnets", () => {
  const within = ({ start, prefix }: { start: number; prefix: number }, cidr: string): boolean => {
    const inner = parseCidr(cidr);
    return inner.start >= start && inner.start + 2 ** (32 - inner.prefix) <= start + 2 ** (32 - prefix);
  };

  it("lie in the network, apart from each other, and stay where they are when a zone is added", () => {
    const networks = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 16, max: 20 }), fc.integer({ min: 1, max: 6 }));
    fc.assert(
      fc.property(networks, ([second, prefix, zones]) => {
        const cidr = `10.${second}.0.0/${prefix}`;
        const layout = subnetLayout(cidr, zones);
        const ranges = layout.flatMap((zone) => [zone.public, zone.private, zone.data]).map(parseCidr);
        assert.equal(ranges.length, 3 * zones);
        for (const range of ranges) {
          assert.ok(within(parseCidr(cidr), `${formatted(range.start)}/${range.prefix}`));
          const others = ranges.filter((other) => other !== range);
          assert.ok(others.every((other) => !overlap(range, other)));
        }
        assert.deepEqual(subnetLayout(cidr, 6).slice(0, zones), layout);
      }),
    );
  });

  it("are refused for what is no range, or has no room", () => {
    for (const cidr of ["10.0.0.0", "10.0.0.1/16", "10.0.0.256/16", "10.0.0.0/33", "x/16"]) {
      assert.throws(() => parseCidr(cidr), /is not a range of IPv4 addresses; allowed: .* e\.g\. 10\.0\.0\.0\/16/, cidr);
    }
    assert.throws(() => subnetLayout("10.0.0.0/24", 3), /the network's range is 10\.0\.0\.0\/24; allowed: a \/16 to a \/20/);
    assert.throws(() => subnetLayout("10.0.0.0/16", 7), /has 7 zones; allowed: 1 to 6/);
  });

  const formatted = (start: number): string => [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join(".");
  const overlap = (a: { start: number; prefix: number }, b: { start: number; prefix: number }): boolean =>
    a.start < b.start + 2 ** (32 - b.prefix) && b.start < a.start + 2 ** (32 - a.prefix);
});

describe("A14 Network", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  const make = async (args: Partial<NetworkArgs> = {}): Promise<void> => {
    new Network("network", { ...ARGS, ...args }, withProvider());
    await settled();
  };

  it("has three subnets in each zone, none of which gives out public addresses", async () => {
    await make();
    const subnets = recorder.ofType("aws:ec2/subnet:Subnet");
    assert.equal(subnets.length, 9);
    for (const { inputs } of subnets) assert.equal(inputs["mapPublicIpOnLaunch"], false, "CKV_AWS_130");
    assert.deepEqual(
      ["public", "private", "data"].map((tier) =>
        ZONES.map((_, zone) => recorder.get(`network-${tier}-${zone + 1}`).inputs["availabilityZone"]),
      ),
      [ZONES, ZONES, ZONES],
    );
    assertWellMade(recorder);
  });

  it("leads private subnets through the NAT gateway of their own zone, and data subnets nowhere", async () => {
    await make();
    assert.deepEqual(
      recorder.ofType(ROUTE).map(({ name, inputs }) => [name, inputs["natGatewayId"] ?? inputs["gatewayId"]]),
      [
        ["network-public-out", "network-internet-id"],
        ["network-private-1-out", "network-nat-1-id"],
        ["network-private-2-out", "network-nat-2-id"],
        ["network-private-3-out", "network-nat-3-id"],
      ],
    );
    const ofData = recorder.ofType("aws:ec2/routeTableAssociation:RouteTableAssociation").filter(({ name }) => name.includes("-data-"));
    assert.deepEqual(
      ofData.map(({ inputs }) => [inputs["subnetId"], inputs["routeTableId"]]),
      [1, 2, 3].map((zone) => [`network-data-${zone}-id`, "network-data-routes-id"]),
    );
  });

  it("has one NAT gateway for all where that is enough", async () => {
    await make({ natGateways: 1 });
    assert.equal(recorder.ofType("aws:ec2/natGateway:NatGateway").length, 1);
    const used = recorder.ofType(ROUTE).flatMap(({ inputs }) => inputs["natGatewayId"] ?? []);
    assert.deepEqual(used, ["network-nat-1-id", "network-nat-1-id", "network-nat-1-id"]);
  });

  it("takes over the default security group without a rule", async () => {
    await make();
    const { inputs } = recorder.get("network-closed");
    assert.deepEqual([inputs["vpcId"], inputs["ingress"], inputs["egress"]], ["network-vpc-id", [], []], "CKV2_AWS_12");
  });

  it("records connections where that is wanted, in an encrypted log that ends", async () => {
    await make();
    assert.deepEqual(recorder.ofType("aws:ec2/flowLog:FlowLog"), []);
    recorder = await Recorder.install();
    await make({ flowLogs: { retentionDays: 90, kmsKeyArn: "arn:key" } });
    const [flowLog] = recorder.ofType("aws:ec2/flowLog:FlowLog");
    assert.deepEqual([flowLog?.inputs["vpcId"], flowLog?.inputs["trafficType"]], ["network-vpc-id", "ALL"], "CKV2_AWS_11");
    const { inputs } = recorder.get("network-flow-logs");
    assert.deepEqual([inputs["name"], inputs["retentionInDays"], inputs["kmsKeyId"]], ["/phased-stack/dev/network", 90, "arn:key"]);
    assertWellMade(recorder);
  });

  it("is refused in one zone, and with a zone twice", () => {
    assert.throws(() => new Network("network", { ...ARGS, zones: ["a"] }), /zones are a; allowed: at least two, each once/);
    assert.throws(() => new Network("network", { ...ARGS, zones: ["a", "a"] }), /allowed: at least two, each once/);
  });

  it("reaches AWS' services without the internet", async () => {
    const common = { context: CONTEXT, vpcId: "vpc-1", routeTableIds: ["rt-1", "rt-2"] };
    const interfaces = { services: INTERFACE_ENDPOINTS, subnetIds: ["s-1", "s-2"], securityGroupId: "sg-1" };
    new NetworkEndpoints("endpoints", { ...common, interfaces }, withProvider());
    await settled();
    assert.deepEqual(
      recorder.ofType("aws:ec2/vpcEndpoint:VpcEndpoint").map(({ inputs }) => [inputs["serviceName"], inputs["vpcEndpointType"]]),
      [
        ["com.amazonaws.eu-central-1.s3", "Gateway"],
        ["com.amazonaws.eu-central-1.ecr.api", "Interface"],
        ["com.amazonaws.eu-central-1.ecr.dkr", "Interface"],
        ["com.amazonaws.eu-central-1.logs", "Interface"],
        ["com.amazonaws.eu-central-1.secretsmanager", "Interface"],
      ],
    );
    assert.deepEqual(recorder.get("endpoints-s3").inputs["routeTableIds"], ["rt-1", "rt-2"]);
    const [own] = statementsOf(recorder.get("endpoints-s3"));
    assert.deepEqual(own?.["Condition"], { StringEquals: { "aws:PrincipalAccount": CONTEXT.accountId } });
    assertWellMade(recorder);
  });
});

describe("A14 SecurityGroups", () => {
  const MEMBERS: readonly Member[] = ["load-balancer", "app", "proxy", "database", "cache", "broker", "endpoints"];
  const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
  const EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule";
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  /** `FROM → TO:PORT` of every rule of a type, from the rules as they were registered. */
  const ways = (type: string): string[] =>
    recorder.ofType(type).map(({ inputs }) => {
      const own = String(inputs["securityGroupId"]).replace(/^groups-|-id$/g, "");
      const other = String(inputs["referencedSecurityGroupId"] ?? inputs["cidrIpv4"] ?? inputs["prefixListId"]).replace(
        /^groups-|-id$/g,
        "",
      );
      return `${type === INGRESS ? `${other} → ${own}` : `${own} → ${other}`}:${String(inputs["fromPort"])}`;
    });

  it("leads from clients to the load balancer, from there to the app, and from the app to what it uses", async () => {
    new SecurityGroups("groups", { context: CONTEXT, vpcId: "vpc-1", access: { kind: "everybody" }, members: MEMBERS }, withProvider());
    await settled();
    const inside = [
      "load-balancer → app:3001",
      "app → app:3001",
      "app → proxy:5432",
      "app → database:5432",
      "proxy → database:5432",
      "app → cache:6379",
      "app → broker:9098",
      "app → endpoints:443",
    ];
    assert.deepEqual(ways(INGRESS).sort(), [...inside, "0.0.0.0/0 → load-balancer:443", "0.0.0.0/0 → load-balancer:80"].sort());
    assert.deepEqual(ways(EGRESS).sort(), [...inside, "app → 0.0.0.0/0:443"].sort());
    for (const { inputs } of [...recorder.ofType(INGRESS), ...recorder.ofType(EGRESS)]) {
      assert.ok(inputs["description"], "CKV_AWS_23");
      assert.equal(inputs["ipProtocol"], "tcp");
      assert.equal(inputs["fromPort"], inputs["toPort"]);
    }
    for (const { inputs } of recorder.ofType("aws:ec2/securityGroup:SecurityGroup")) {
      assert.ok(inputs["description"]);
      assert.deepEqual([inputs["ingress"], inputs["egress"]], [undefined, undefined], "rules are resources of their own");
    }
    assertWellMade(recorder);
  });

  it("lets CloudFront alone in, over one port, and makes no group without a member", async () => {
    const access = { kind: "prefix-list", prefixListId: "pl-1", port: 443 } as const;
    const groups = new SecurityGroups(
      "groups",
      { context: CONTEXT, vpcId: "vpc-1", access, members: ["load-balancer", "app", "database"] },
      withProvider(),
    );
    await settled();
    assert.deepEqual(ways(INGRESS).sort(), [
      "app → app:3001",
      "app → database:5432",
      "load-balancer → app:3001",
      "pl-1 → load-balancer:443",
    ]);
    assert.equal(recorder.ofType("aws:ec2/securityGroup:SecurityGroup").length, 3);
    assert.throws(() => groups.id("broker"), /no security group for broker; the members are load-balancer, app, database/);
  });
});
