import assert from "node:assert/strict";
import { Cdn, CDN_REGION, type CdnArgs } from "../../../../components/aws/cdn";
import { Certificate, Domain } from "../../../../components/aws/certificate";
import { LoadBalancer, type LoadBalancerArgs } from "../../../../components/aws/load-balancer";
import { Storage } from "../../../../components/aws/storage";
import { WebAcl, type WebAclArgs } from "../../../../components/aws/web-acl";
import { canary, isMarkedSecret, Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, withProvider } from "./support";

const LISTENER = "aws:lb/listener:Listener";
const BALANCER: LoadBalancerArgs = {
  context: CONTEXT,
  vpcId: "vpc-1",
  subnetIds: ["public-1", "public-2"],
  securityGroupId: "sg-alb",
  certificateArn: "arn:certificate",
  behindCdn: false,
  logBucket: "logs",
  deregistrationSeconds: 30,
  webAclArn: "arn:acl",
  protect: true,
};
const ACL: WebAclArgs = {
  context: CONTEXT,
  scope: "REGIONAL",
  clientAddress: "connection",
  logs: { retentionDays: 90, kmsKeyArn: "arn:logs-key" },
};

describe("the edge of the cloud phase", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  describe("A14 LoadBalancer", () => {
    it("sends HTTP to HTTPS with a modern policy, drops invalid headers, logs, and refuses deletion", async () => {
      new LoadBalancer("load-balancer", BALANCER, withProvider());
      await settled();
      const { inputs, protect } = recorder.get("load-balancer-alb");
      const expected = {
        internal: false,
        dropInvalidHeaderFields: true,
        enableDeletionProtection: true,
        idleTimeout: 60,
        accessLogs: { bucket: "logs", prefix: "load-balancer", enabled: true },
        securityGroups: ["sg-alb"],
      };
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, inputs[key]])), expected, "CKV_AWS_91/131/150");
      assert.equal(protect, true);
      assert.deepEqual(
        recorder
          .ofType(LISTENER)
          .map((listener) => [listener.inputs["port"], listener.inputs["sslPolicy"], listener.inputs["defaultActions"]]),
        [
          [80, undefined, [{ type: "redirect", redirect: { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" } }]],
          [
            443,
            "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
            [{ type: "forward", targetGroupArn: "arn:aws:lb:eu-central-1:123456789012:targetGroup/load-balancer-app-1a2b3c4" }],
          ],
        ],
      );
      assert.equal(recorder.get("load-balancer-firewall").inputs["webAclArn"], "arn:acl", "CKV2_AWS_28");
      assertWellMade(recorder);
    });

    it("asks tasks by address whether they are ready, and lets them finish", async () => {
      new LoadBalancer("load-balancer", BALANCER, withProvider());
      await settled();
      const { inputs } = recorder.get("load-balancer-app");
      assert.deepEqual(
        [inputs["targetType"], inputs["port"], inputs["deregistrationDelay"], inputs["loadBalancingAlgorithmType"]],
        ["ip", 3001, 30, "least_outstanding_requests"],
      );
      const health = inputs["healthCheck"] as Record<string, unknown>;
      assert.deepEqual([health["path"], health["interval"], health["matcher"]], ["/ready", 10, "200"]);
      assert.equal(recorder.ofType("aws:wafv2/webAclAssociation:WebAclAssociation").length, 1);
    });

    it("answers CloudFront only when it is behind it: by a header nobody else knows", async () => {
      const balancer = new LoadBalancer("load-balancer", { ...BALANCER, behindCdn: true }, withProvider());
      await settled();
      const [action] = recorder.get("load-balancer-https").inputs["defaultActions"] as Record<string, unknown>[];
      assert.deepEqual((action?.["fixedResponse"] as Record<string, string>)["statusCode"], "403");
      const rule = recorder.get("load-balancer-https-from-cdn");
      assert.deepEqual(rule.inputs["conditions"], [
        { httpHeader: { httpHeaderName: "X-Origin-Verify", values: [canary("load-balancer-origin")] } },
      ]);
      assert.ok(rule.secrets.includes(canary("load-balancer-origin")) && !rule.plain.includes("canary"));
      assert.ok(await isMarkedSecret(balancer.originHeader!.value));
      assert.equal(balancer.nodes.listeners.length, 3, "a service waits for the rule as well");
    });

    it("serves plain HTTP where there is no certificate, in development", async () => {
      const balancer = new LoadBalancer("load-balancer", { ...BALANCER, certificateArn: undefined, protect: false }, withProvider());
      await settled();
      assert.deepEqual([balancer.port, recorder.ofType(LISTENER).map(({ inputs }) => inputs["protocol"])], [80, ["HTTP"]]);
    });
  });

  describe("A14 WebAcl", () => {
    it("asks AWS' rules and limits requests, and logs what it blocks without credentials", async () => {
      new WebAcl("firewall", ACL, withProvider());
      await settled();
      const { inputs } = recorder.get("firewall-acl");
      const rules = inputs["rules"] as { name: string; priority: number; statement: Record<string, Record<string, unknown>> }[];
      assert.deepEqual(
        rules.map(({ name, priority }) => [name, priority]),
        [
          ["AWSManagedRulesAmazonIpReputationList", 0],
          ["AWSManagedRulesKnownBadInputsRuleSet", 1],
          ["AWSManagedRulesCommonRuleSet", 2],
          ["AWSManagedRulesSQLiRuleSet", 3],
          ["RequestsPerClient", 4],
        ],
      );
      assert.deepEqual(rules.at(-1)?.statement["rateBasedStatement"], { limit: 600, evaluationWindowSec: 60, aggregateKeyType: "IP" });
      const overrides = rules[2]?.statement["managedRuleGroupStatement"]?.["ruleActionOverrides"];
      assert.deepEqual(overrides, [{ name: "SizeRestrictions_BODY", actionToUse: { count: {} } }], "bodies over 8 KB are not attacks");
      const logging = recorder.get("firewall-logging");
      assert.deepEqual(logging.inputs["logDestinationConfigs"], [
        "arn:aws:logs:eu-central-1:123456789012:log-group:aws-waf-logs-phased-stack-dev-firewall",
      ]);
      assert.equal((logging.inputs["redactedFields"] as unknown[]).length, 2);
      assertWellMade(recorder);
    });

    it("behind a CDN counts the clients and not CloudFront's own addresses", async () => {
      new WebAcl("firewall", { ...ACL, clientAddress: "forwarded", requestsPerMinute: 1000 }, withProvider());
      await settled();
      const rules = recorder.get("firewall-acl").inputs["rules"] as { statement: { rateBasedStatement?: Record<string, unknown> } }[];
      assert.deepEqual(rules.at(-1)?.statement.rateBasedStatement, {
        limit: 1000,
        evaluationWindowSec: 60,
        aggregateKeyType: "FORWARDED_IP",
        forwardedIpConfig: { headerName: "X-Forwarded-For", fallbackBehavior: "MATCH" },
      });
    });
  });

  describe("A14 Certificate and Domain", () => {
    it("proves the domain by one record for the certificates of both regions", async () => {
      const args = { context: CONTEXT, domainName: "shop.example.com" };
      const first = new Certificate("certificate", { ...args, provenBy: { zoneId: "Z1" } }, withProvider());
      const second = new Certificate("cdn-certificate", { ...args, provenBy: first }, withProvider());
      await settled();
      const [record, ...more] = recorder.ofType("aws:route53/record:Record");
      assert.deepEqual(
        [record?.inputs["name"], record?.inputs["type"], record?.inputs["zoneId"], more],
        ["_x.shop.example.com.", "CNAME", "Z1", []],
      );
      assert.equal(recorder.ofType("aws:acm/certificateValidation:CertificateValidation").length, 2);
      assert.match(await valueOf(second.arn), /certificate\/cdn-certificate-acm$/);
      assertWellMade(recorder);
    });

    it("leads the name to its target by aliases, over IPv4 and IPv6", async () => {
      const target = { dnsName: "d1.cloudfront.net", zoneId: "Z2", evaluateHealth: false };
      new Domain("domain", { domainName: "shop.example.com", zoneId: "Z1", target }, withProvider());
      await settled();
      assert.deepEqual(
        recorder.ofType("aws:route53/record:Record").map(({ inputs }) => [inputs["type"], inputs["aliases"]]),
        ["A", "AAAA"].map((type) => [type, [{ name: "d1.cloudfront.net", zoneId: "Z2", evaluateTargetHealth: false }]]),
      );
    });
  });

  describe("A14 A21 Cdn", () => {
    const make = async (args: Partial<CdnArgs> = {}): Promise<Record<string, unknown>> => {
      const storageArgs = { context: CONTEXT, kmsKeyArn: "arn:key", logDays: 90, forceDestroy: false, protect: true };
      const storage = new Storage("storage", storageArgs, withProvider());
      const app = { dnsName: "alb.example.com", port: 443, failover: true, header: { name: "X-Origin-Verify", value: "secret" } } as const;
      const domain = { name: "shop.example.com", certificateArn: "arn:certificate" };
      const publicKeys = [
        { generation: 2, pem: "PEM 2" },
        { generation: 1, pem: "PEM 1" },
      ];
      const uploads = { bucket: storage.uploads, publicKeys };
      const common = { context: CONTEXT, app, domain, uploads, assets: storage.assets, logs: storage.logs, webAclArn: "arn:acl" } as const;
      new Cdn("cdn", { ...common, priceClass: "PriceClass_All", protect: true, ...args }, withProvider());
      await settled();
      return recorder.get("cdn-distribution").inputs;
    };
    const behaviors = (inputs: Record<string, unknown>): Record<string, unknown>[] => [
      inputs["defaultCacheBehavior"] as Record<string, unknown>,
      ...(inputs["orderedCacheBehaviors"] as Record<string, unknown>[]),
    ];

    it("speaks HTTPS and HTTP/3 only with modern clients, behind the firewall, with security headers everywhere", async () => {
      const inputs = await make();
      assert.deepEqual(inputs["viewerCertificate"], {
        acmCertificateArn: "arn:certificate",
        sslSupportMethod: "sni-only",
        minimumProtocolVersion: "TLSv1.2_2021",
      });
      assert.deepEqual(
        [inputs["httpVersion"], inputs["webAclId"], inputs["aliases"], inputs["defaultRootObject"]],
        ["http2and3", "arn:acl", ["shop.example.com"], "index.html"],
      );
      for (const behavior of behaviors(inputs)) {
        const headers = behavior["pathPattern"] === "/uploads/*" ? "cdn-uploads-headers-id" : "cdn-headers-id";
        assert.deepEqual(
          [behavior["viewerProtocolPolicy"], behavior["compress"], behavior["responseHeadersPolicyId"]],
          ["redirect-to-https", true, headers],
          String(behavior["pathPattern"]),
        );
      }
      assert.equal(CDN_REGION, "us-east-1");
      assertWellMade(recorder);
    });

    it("B6 keeps nothing of the API, and files as long as their headers say", async () => {
      const [api, ...files] = behaviors(await make());
      assert.deepEqual(
        [api?.["cachePolicyId"], api?.["originRequestPolicyId"], (api?.["allowedMethods"] as string[]).length],
        ["4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "216adef6-5c7f-47e4-b989-5492eafa07d3", 7],
      );
      assert.deepEqual(
        files.map(({ pathPattern }) => pathPattern),
        ["/uploads/*", "/modules/*", "*.js", "*.css", "*.svg"],
      );
      for (const { cachePolicyId, pathPattern } of files) {
        const expected = pathPattern === "/uploads/*" ? "cdn-uploads-id" : "658327ea-f89d-4fab-a63d-7e88639e58f6";
        assert.equal(cachePolicyId, expected, String(pathPattern));
      }
    });

    it("reads S3 in its own name, uploads for signed addresses only, and asks the app for static files that S3 does not give", async () => {
      const inputs = await make();
      const origins = inputs["origins"] as Record<string, unknown>[];
      assert.deepEqual(
        origins.map((origin) => [origin["originId"], origin["originAccessControlId"]]),
        [
          ["app", undefined],
          ["assets", "cdn-s3-id"],
          ["uploads", "cdn-s3-id"],
        ],
      );
      const { signingBehavior } = recorder.get("cdn-s3").inputs;
      assert.equal(signingBehavior, "always", "CKV2_AWS_46");
      const uploads = behaviors(inputs).find(({ pathPattern }) => pathPattern === "/uploads/*");
      assert.deepEqual(uploads?.["trustedKeyGroups"], ["cdn-signers-id"]);
      assert.deepEqual(recorder.get("cdn-signers").inputs["items"], ["cdn-signer-2-id", "cdn-signer-1-id"], "both are believed");
      assert.equal(recorder.get("cdn-signer-1").inputs["encodedKey"], "PEM 1");
      const forwarded = recorder.get("cdn-uploads").inputs["parametersInCacheKeyAndForwardedToOrigin"] as Record<string, unknown>;
      assert.deepEqual(forwarded["queryStringsConfig"], {
        queryStringBehavior: "whitelist",
        queryStrings: { items: ["response-content-disposition", "response-content-type"] },
      });
      const shown = recorder.get("cdn-uploads-headers").inputs;
      assert.match(JSON.stringify(shown["securityHeadersConfig"]), /default-src 'none'; sandbox/);
      assert.deepEqual(shown["customHeadersConfig"], { items: [{ header: "Cache-Control", value: "private, no-cache", override: true }] });
      const [group] = inputs["originGroups"] as { members: unknown; originId: string }[];
      assert.deepEqual(group?.members, [{ originId: "assets" }, { originId: "app" }]);
      const grouped = behaviors(inputs).filter(({ targetOriginId }) => targetOriginId === group?.originId);
      assert.equal(grouped.length, 4);
      for (const { originRequestPolicyId } of grouped) assert.equal(originRequestPolicyId, undefined, "S3 takes no Host but its own");
      for (const { allowedMethods } of grouped)
        assert.deepEqual(allowedMethods, ["GET", "HEAD", "OPTIONS"], "CloudFront takes no other with a group");
    });

    it("asks the app alone for files of pages where the load balancer has no name its certificate is for", async () => {
      const header = { name: "X-Origin-Verify", value: "secret" };
      const inputs = await make({ app: { dnsName: "alb.example.com", port: 443, failover: false, header } });
      assert.equal(inputs["originGroups"], undefined);
      const scripts = behaviors(inputs).find(({ pathPattern }) => pathPattern === "*.js");
      assert.deepEqual(
        [scripts?.["targetOriginId"], scripts?.["originRequestPolicyId"]],
        ["app", "216adef6-5c7f-47e4-b989-5492eafa07d3"],
        "by the viewer's Host, which its certificate is for",
      );
      assert.ok(!(inputs["origins"] as { originId: string }[]).some(({ originId }) => originId === "assets"));
    });

    it("does not show uploads where nobody could sign their addresses", async () => {
      const inputs = await make({ uploads: undefined });
      assert.ok(!JSON.stringify(inputs).includes("/uploads"));
      assert.equal(recorder.ofType("aws:cloudfront/keyGroup:KeyGroup").length, 0);
    });

    it("writes its logs to the bucket of logs", async () => {
      await make();
      const { inputs } = recorder.get("cdn-logs-destination");
      assert.deepEqual(inputs["deliveryDestinationConfiguration"], {
        destinationResourceArn: "arn:aws:s3:::storage-logs-bucket-1a2b3c4/cdn",
      });
      assert.equal(recorder.get("cdn-logs-source").inputs["logType"], "ACCESS_LOGS", "CKV_AWS_86");
    });

    it("has CloudFront's own name and reaches the app over HTTP where there is no domain", async () => {
      const app = { dnsName: "alb.example.com", port: 80, failover: true, header: { name: "X-Origin-Verify", value: "secret" } } as const;
      const inputs = await make({ domain: undefined, app });
      assert.deepEqual(inputs["viewerCertificate"], { cloudfrontDefaultCertificate: true });
      const [origin] = inputs["origins"] as { customOriginConfig: Record<string, unknown> }[];
      assert.equal(origin?.customOriginConfig["originProtocolPolicy"], "http-only");
      await assert.rejects(make({ domain: undefined }), /the load balancer has a certificate, but the CDN has no domain/);
    });
  });
});
