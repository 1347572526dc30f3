import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";

/** Seconds resolvers keep the record that proves the domain. */
const RECORD_SECONDS = 300;

export interface CertificateArgs extends AwsArgs {
  /** Name the app is reached under, e.g. `shop.example.com`. A change makes a new certificate beside the old one first. */
  readonly domainName: string;
  /** Other names it is for. @default none */
  readonly otherNames?: readonly string[];
  /**
   * What proves that the names are ours: records in this hosted zone, or those of another certificate for the same names. A record depends on
   * account and name only, so two certificates in two regions share it.
   */
  readonly provenBy: { readonly zoneId: pulumi.Input<string> } | Certificate;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly certificate?: Transform<aws.acm.CertificateArgs> };
}

/** A certificate of ACM in the provider's region, which renews itself as long as its record stays. Free. */
export class Certificate extends pulumi.ComponentResource {
  /** Known once the certificate is issued. */
  readonly arn: pulumi.Output<string>;
  private readonly certificate: aws.acm.Certificate;
  private readonly records: ReadonlyMap<string, aws.route53.Record>;

  constructor(name: string, args: CertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Certificate", name, {}, opts);
    const { context, domainName, otherNames = [], provenBy } = args;
    const names = [domainName, ...otherNames];
    this.certificate = new aws.acm.Certificate(
      ...transformed(
        args.transform?.certificate,
        `${name}-acm`,
        {
          domainName,
          ...(otherNames.length === 0 ? {} : { subjectAlternativeNames: [...otherNames] }),
          validationMethod: "DNS",
          tags: tagsOf(context, `${name}-acm`),
        },
        { parent: this },
      ),
    );
    this.records =
      provenBy instanceof Certificate
        ? provenBy.records
        : new Map(names.map((of, index) => [of, this.createRecord(`${name}-proof-${index + 1}`, of, provenBy.zoneId)]));
    const validationRecordFqdns = names.map((of) => {
      const record = this.records.get(of);
      if (record === undefined) throw new Error(`${name}: nothing proves ${of}`);
      return record.fqdn;
    });
    const issued = new aws.acm.CertificateValidation(
      `${name}-issued`,
      { certificateArn: this.certificate.arn, validationRecordFqdns },
      { parent: this },
    );
    this.arn = issued.certificateArn;
    this.registerOutputs({ arn: this.arn });
  }

  /** The resources this component is made of; records by the name they prove. */
  get nodes(): { readonly certificate: aws.acm.Certificate; readonly records: ReadonlyMap<string, aws.route53.Record> } {
    return { certificate: this.certificate, records: this.records };
  }

  private createRecord(name: string, domainName: string, zoneId: pulumi.Input<string>): aws.route53.Record {
    const proof = this.certificate.domainValidationOptions.apply((options) => {
      const option = options.find((candidate) => candidate.domainName === domainName);
      if (option === undefined) throw new Error(`${name}: ACM asks for no record for ${domainName}`);
      return option;
    });
    const record = { name: proof.resourceRecordName, type: proof.resourceRecordType, records: [proof.resourceRecordValue] };
    return new aws.route53.Record(name, { zoneId, ttl: RECORD_SECONDS, ...record, allowOverwrite: true }, { parent: this });
  }
}

export interface DomainArgs {
  readonly domainName: string;
  readonly zoneId: pulumi.Input<string>;
  /** What the name leads to: CloudFront or a load balancer. */
  readonly target: {
    readonly dnsName: pulumi.Input<string>;
    readonly zoneId: pulumi.Input<string>;
    /** Leave the name out of answers while the target is unhealthy; CloudFront cannot be asked. */
    readonly evaluateHealth: boolean;
  };
}

/** The domain's records: aliases for IPv4 and IPv6, which cost nothing and follow the target's addresses. */
export class Domain extends pulumi.ComponentResource {
  private readonly records: readonly aws.route53.Record[];

  constructor(name: string, { domainName, zoneId, target }: DomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Domain", name, {}, opts);
    const aliases = [{ name: target.dnsName, zoneId: target.zoneId, evaluateTargetHealth: target.evaluateHealth }];
    this.records = ["A", "AAAA"].map(
      (type) => new aws.route53.Record(`${name}-${type.toLowerCase()}`, { zoneId, name: domainName, type, aliases }, { parent: this }),
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly records: readonly aws.route53.Record[] } {
    return { records: this.records };
  }
}

/** What one of two answers of a name leads to. */
type Answer = Pick<DomainArgs["target"], "dnsName" | "zoneId">;

export interface FailoverDomainArgs {
  readonly domainName: string;
  readonly zoneId: pulumi.Input<string>;
  /** Load balancer that is answered with while it has healthy targets, and its health check is healthy. */
  readonly primary: Answer & { readonly healthCheckId: pulumi.Input<string> };
  /** Load balancer that is answered with otherwise. */
  readonly secondary: Answer;
}

/**
 * A name that leads to one of two load balancers, in two regions. Route 53 asks them itself whether they have healthy targets, without a request
 * from outside. Aliases cost nothing, and are kept for a minute by who asked.
 */
export class FailoverDomain extends pulumi.ComponentResource {
  private readonly records: readonly aws.route53.Record[];

  constructor(name: string, { domainName, zoneId, primary, secondary }: FailoverDomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:FailoverDomain", name, {}, opts);
    const answer = (role: "primary" | "secondary", to: Answer, more: Partial<aws.route53.RecordArgs>): aws.route53.Record =>
      new aws.route53.Record(
        `${name}-${role}`,
        {
          ...{ zoneId, name: domainName, type: "A", setIdentifier: role },
          aliases: [{ name: to.dnsName, zoneId: to.zoneId, evaluateTargetHealth: true }],
          failoverRoutingPolicies: [{ type: role.toUpperCase() }],
          ...more,
        },
        { parent: this },
      );
    this.records = [answer("primary", primary, { healthCheckId: primary.healthCheckId }), answer("secondary", secondary, {})];
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly records: readonly aws.route53.Record[] } {
    return { records: this.records };
  }
}
