import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { APP_PORT, READY_PATH } from "../../contract";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";

const defaults = {
  /** TLS 1.3, and 1.2 with forward secrecy and authenticated ciphers only (CKV_AWS_103). */
  tlsPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
  /** Seconds; below the app's keep-alive of 65 s, so that never the app closes a connection the load balancer is about to use. */
  idleSeconds: 60,
  originHeader: "X-Origin-Verify",
  originHeaderLength: 48,
  healthCheck: { intervalSeconds: 10, timeoutSeconds: 5, healthy: 2, unhealthy: 3 },
} as const;

/** What CloudFront adds to its requests, so that the load balancer knows them; the value is secret. */
export interface OriginHeader {
  readonly name: string;
  readonly value: pulumi.Output<string>;
}

export interface LoadBalancerArgs extends AwsArgs {
  readonly vpcId: pulumi.Input<string>;
  /** Public subnets, one a zone. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly securityGroupId: pulumi.Input<string>;
  /** Certificate of the domain. @default none: plain HTTP, for development only */
  readonly certificateArn?: pulumi.Input<string> | undefined;
  /** Answer CloudFront only, which adds a secret header ({@link LoadBalancer.originHeader}); others get 403. */
  readonly behindCdn: boolean;
  /** The header of another load balancer behind the same CDN. @default one of its own is generated */
  readonly originHeader?: OriginHeader | undefined;
  /** Bucket of its access logs, which go below `load-balancer/`. */
  readonly logBucket: pulumi.Input<string>;
  /** Seconds requests in flight may take on an instance that leaves. */
  readonly deregistrationSeconds: number;
  /** More tags of the target group, for who fills it and goes by them. @default none */
  readonly targetGroupTags?: Readonly<Record<string, string>> | undefined;
  /** The firewall in front of it. @default none */
  readonly webAclArn?: pulumi.Input<string> | undefined;
  /** Refuse deletion: AWS' own protection and Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** A change of `subnets`, `internal` or the name REPLACES it: its address changes. */
    readonly loadBalancer?: Transform<aws.lb.LoadBalancerArgs>;
    readonly targetGroup?: Transform<aws.lb.TargetGroupArgs>;
    readonly listener?: Transform<aws.lb.ListenerArgs>;
  };
}

/**
 * The Application Load Balancer in front of the app's web tasks: ends TLS, sends plain HTTP to HTTPS, and gives each request to the task with
 * the fewest open ones. Only tasks that say they are ready get requests.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  readonly dnsName: pulumi.Output<string>;
  /** Route 53's zone of {@link dnsName}, for aliases. */
  readonly zoneId: pulumi.Output<string>;
  /** Port that serves the app: 443 with a certificate. */
  readonly port: 80 | 443;
  readonly targetGroupArn: pulumi.Output<string>;
  /** Last parts of the ARNs, as metrics know load balancer and target group. */
  readonly arnSuffixes: { readonly loadBalancer: pulumi.Output<string>; readonly targetGroup: pulumi.Output<string> };
  /** What CloudFront has to send; the value is secret. */
  readonly originHeader: OriginHeader | undefined;
  private readonly loadBalancer: aws.lb.LoadBalancer;
  private readonly targetGroup: aws.lb.TargetGroup;
  private readonly listeners: readonly (aws.lb.Listener | aws.lb.ListenerRule)[];

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:LoadBalancer", name, {}, opts);
    this.port = args.certificateArn === undefined ? 80 : 443;
    this.loadBalancer = this.createLoadBalancer(`${name}-alb`, args);
    this.targetGroup = this.createTargetGroup(`${name}-app`, args);
    this.originHeader = args.behindCdn ? (args.originHeader ?? this.createOriginHeader(`${name}-origin`)) : undefined;
    this.listeners = [
      ...(args.certificateArn === undefined ? [] : [this.createRedirect(`${name}-http`, args)]),
      ...this.createListener(`${name}-${this.port === 443 ? "https" : "http"}`, args),
    ];
    if (args.webAclArn !== undefined) {
      const association = { resourceArn: this.loadBalancer.arn, webAclArn: args.webAclArn };
      new aws.wafv2.WebAclAssociation(`${name}-firewall`, association, { parent: this });
    }
    this.dnsName = this.loadBalancer.dnsName;
    this.zoneId = this.loadBalancer.zoneId;
    this.targetGroupArn = this.targetGroup.arn;
    this.arnSuffixes = { loadBalancer: this.loadBalancer.arnSuffix, targetGroup: this.targetGroup.arnSuffix };
    this.registerOutputs({ dnsName: this.dnsName, zoneId: this.zoneId, targetGroupArn: this.targetGroupArn });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly loadBalancer: aws.lb.LoadBalancer;
    readonly targetGroup: aws.lb.TargetGroup;
    /** A service has to wait for them: ECS refuses a target group that no listener uses. */
    readonly listeners: readonly (aws.lb.Listener | aws.lb.ListenerRule)[];
  } {
    return { loadBalancer: this.loadBalancer, targetGroup: this.targetGroup, listeners: this.listeners };
  }

  private createLoadBalancer(name: string, args: LoadBalancerArgs): aws.lb.LoadBalancer {
    return new aws.lb.LoadBalancer(
      ...transformed(
        args.transform?.loadBalancer,
        name,
        {
          loadBalancerType: "application",
          internal: false,
          subnets: [...args.subnetIds],
          securityGroups: [args.securityGroupId],
          dropInvalidHeaderFields: true,
          desyncMitigationMode: "defensive",
          enableDeletionProtection: args.protect,
          enableHttp2: true,
          idleTimeout: defaults.idleSeconds,
          accessLogs: { bucket: args.logBucket, prefix: "load-balancer", enabled: true },
          tags: tagsOf(args.context, name),
        },
        { parent: this, protect: args.protect },
      ),
    );
  }

  private createTargetGroup(name: string, args: LoadBalancerArgs): aws.lb.TargetGroup {
    const { intervalSeconds, timeoutSeconds, healthy, unhealthy } = defaults.healthCheck;
    return new aws.lb.TargetGroup(
      ...transformed(
        args.transform?.targetGroup,
        name,
        {
          vpcId: args.vpcId,
          targetType: "ip",
          port: APP_PORT,
          protocol: "HTTP",
          deregistrationDelay: args.deregistrationSeconds,
          loadBalancingAlgorithmType: "least_outstanding_requests",
          healthCheck: {
            path: READY_PATH,
            protocol: "HTTP",
            matcher: "200",
            interval: intervalSeconds,
            timeout: timeoutSeconds,
            healthyThreshold: healthy,
            unhealthyThreshold: unhealthy,
          },
          tags: { ...tagsOf(args.context, name), ...args.targetGroupTags },
        },
        { parent: this },
      ),
    );
  }

  private createOriginHeader(name: string): OriginHeader {
    const generated = new random.RandomPassword(name, { length: defaults.originHeaderLength, special: false }, { parent: this });
    return { name: defaults.originHeader, value: pulumi.secret(generated.result) };
  }

  private createRedirect(name: string, args: LoadBalancerArgs): aws.lb.Listener {
    const redirect = { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" };
    const listener = { loadBalancerArn: this.loadBalancer.arn, port: 80, protocol: "HTTP", tags: tagsOf(args.context, name) };
    return new aws.lb.Listener(
      ...transformed(args.transform?.listener, name, { ...listener, defaultActions: [{ type: "redirect", redirect }] }, { parent: this }),
    );
  }

  /** The listener that serves the app; behind a CDN a rule of it does, for who knows the header. */
  private createListener(name: string, args: LoadBalancerArgs): readonly (aws.lb.Listener | aws.lb.ListenerRule)[] {
    const forward = { type: "forward", targetGroupArn: this.targetGroup.arn };
    const refuse = { type: "fixed-response", fixedResponse: { statusCode: "403", contentType: "text/plain", messageBody: "Forbidden" } };
    const { certificateArn } = args;
    const tls = certificateArn === undefined ? { protocol: "HTTP" } : { protocol: "HTTPS", certificateArn, sslPolicy: defaults.tlsPolicy };
    const listener = new aws.lb.Listener(
      ...transformed(
        args.transform?.listener,
        name,
        {
          loadBalancerArn: this.loadBalancer.arn,
          port: this.port,
          ...tls,
          defaultActions: [this.originHeader === undefined ? forward : refuse],
          tags: tagsOf(args.context, name),
        },
        { parent: this },
      ),
    );
    if (this.originHeader === undefined) return [listener];
    const httpHeader = { httpHeaderName: this.originHeader.name, values: [this.originHeader.value] };
    const rule = { listenerArn: listener.arn, priority: 1, conditions: [{ httpHeader }], actions: [forward] };
    return [
      listener,
      new aws.lb.ListenerRule(`${name}-from-cdn`, { ...rule, tags: tagsOf(args.context, `${name}-from-cdn`) }, { parent: this }),
    ];
  }
}
