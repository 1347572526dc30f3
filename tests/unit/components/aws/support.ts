import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import type { AwsContext } from "../../../../components/aws/context";
import { ACCOUNT, REGION } from "../../../support/aws-outputs";
import type { Recorder, Registered } from "../../../support/pulumi-mocks";

export const CONTEXT: AwsContext = { project: "phased-stack", stack: "dev", region: REGION, accountId: ACCOUNT };

/** Options every component is given: its provider. */
export function withProvider(): { readonly provider: aws.Provider } {
  return { provider: new aws.Provider("aws", { region: REGION }) };
}

/** Kinds of resources that cannot carry tags. */
const WITHOUT_TAGS =
  /:(RouteTableAssociation|AccessPolicyAssociation|Route|RolePolicy|RolePolicyAttachment|Alias|SecretVersion|ProxyDefaultTargetGroup|ProxyTarget|LifecyclePolicy|Bucket[A-Z]\w+|WebAclAssociation|WebAclLoggingConfiguration|ClusterCapacityProviders|Policy|Invocation|Permission|Record|CertificateValidation|OriginAccessControl|ResponseHeadersPolicy|CachePolicy|OriginRequestPolicy|Dashboard|TopicPolicy|TopicSubscription|QueuePolicy|Configuration|ClusterPolicy|MonitoringSubscription|SecretRotation|RedriveAllowPolicy|PublicKey|KeyGroup)$/;

/** What holds for the resources of every component: named after their parent, tagged, of the provider they were given. */
export function assertWellMade(recorder: Recorder, stack = "dev"): void {
  for (const { name, parent } of recorder.resources.filter((resource) => resource.parent !== "")) {
    const owner = parent.split("::").at(-1) ?? "";
    if (!parent.includes("phased-stack:aws:")) continue;
    assert.ok(name.startsWith(`${owner}-`), `${name} is a child of ${owner}`);
  }
  for (const { type, name, inputs } of recorder.resources.filter((resource) => /^aws:\w/.test(resource.type))) {
    if (WITHOUT_TAGS.test(type)) continue;
    const tags = inputs["tags"] as Record<string, string> | undefined;
    assert.equal(tags?.["Project"], "phased-stack", `${type} ${name} is not tagged`);
    assert.ok(tags["Name"]?.startsWith(`phased-stack-${stack}-`), `${type} ${name} has no name`);
  }
}

/** Statements of a policy document among a resource's inputs. */
export function statementsOf(resource: Registered, key = "policy"): Record<string, unknown>[] {
  return (JSON.parse(String(resource.inputs[key])) as { Statement: Record<string, unknown>[] }).Statement;
}
