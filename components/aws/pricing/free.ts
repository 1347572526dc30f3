/** Kinds of resources AWS takes nothing for, by service: settings, permissions, and parts whose owner is priced. */
const FREE: Readonly<Record<string, string>> = {
  acm: "certificate certificateValidation",
  alb: "listener listenerCertificate listenerRule targetGroup targetGroupAttachment",
  appautoscaling: "policy scheduledAction target",
  budgets: "budget",
  cloudfront:
    "cachePolicy fieldLevelEncryptionConfig fieldLevelEncryptionProfile keyGroup originAccessControl originAccessIdentity originRequestPolicy " +
    "publicKey responseHeadersPolicy vpcOrigin",
  cloudwatch:
    "eventBusPolicy eventPermission eventRule eventTarget logDelivery logDeliveryDestination logDeliveryDestinationPolicy logDeliverySource " +
    "logDestinationPolicy logIndexPolicy logResourcePolicy logStream logSubscriptionFilter queryDefinition",
  ec2:
    "defaultNetworkAcl defaultRouteTable defaultSecurityGroup defaultVpcDhcpOptions egressOnlyInternetGateway eipAssociation flowLog " +
    "internetGateway internetGatewayAttachment keyPair launchTemplate mainRouteTableAssociation managedPrefixList managedPrefixListEntry " +
    "networkAcl networkAclAssociation networkAclRule placementGroup route routeTable routeTableAssociation securityGroup " +
    "securityGroupAssociation securityGroupRule subnet tag vpcBlockPublicAccessOptions vpcDhcpOptions vpcDhcpOptionsAssociation " +
    "vpcEndpointPolicy vpcEndpointRouteTableAssociation vpcEndpointSubnetAssociation vpcIpv4CidrBlockAssociation vpcIpv6CidrBlockAssociation " +
    "vpcPeeringConnection vpcPeeringConnectionAccepter",
  ecr: "lifecyclePolicy registryPolicy registryScanningConfiguration repositoryPolicy",
  ecs: "accountSettingDefault capacityProvider clusterCapacityProviders tag taskDefinition",
  eks: "accessEntry accessPolicyAssociation identityProviderConfig podIdentityAssociation",
  elasticache: "parameterGroup subnetGroup user userGroup userGroupAssociation",
  iam:
    "group groupMembership groupPolicy groupPolicyAttachment instanceProfile openIdConnectProvider policy policyAttachment role " +
    "rolePoliciesExclusive rolePolicy rolePolicyAttachment rolePolicyAttachmentsExclusive serviceLinkedRole",
  kms: "alias grant keyPolicy",
  lambda: "alias invocation permission",
  lb: "listener listenerCertificate listenerRule targetGroup targetGroupAttachment",
  msk: "clusterPolicy configuration scramSecretAssociation singleScramSecretAssociation topic",
  rds: "eventSubscription optionGroup parameterGroup proxyDefaultTargetGroup proxyTarget roleAssociation subnetGroup",
  resourcegroups: "group resource",
  route53: "record",
  s3:
    "accountPublicAccessBlock bucketAcl bucketCorsConfiguration bucketLifecycleConfiguration bucketLogging bucketNotification bucketObjectv2 " +
    "bucketOwnershipControls bucketPolicy bucketPublicAccessBlock bucketServerSideEncryptionConfiguration " +
    "bucketVersioning bucketWebsiteConfiguration",
  secretsmanager: "secretPolicy secretRotation secretVersion tag",
  servicediscovery: "httpNamespace service",
  sns: "topic topicPolicy topicSubscription",
  sqs: "queuePolicy redriveAllowPolicy redrivePolicy",
  vpc: "securityGroupEgressRule securityGroupIngressRule securityGroupVpcAssociation",
  wafv2: "ipSet regexPatternSet webAclAssociation webAclLoggingConfiguration",
};

/**
 * Pulumi's types that cost nothing by themselves. Topics are among them: a million notifications a month are free, and alarms are fewer.
 */
export const FREE_TYPES: ReadonlySet<string> = new Set(
  Object.entries(FREE).flatMap(([service, kinds]) =>
    kinds.split(" ").map((kind) => `aws:${service}/${kind}:${kind.charAt(0).toUpperCase()}${kind.slice(1)}`),
  ),
);
