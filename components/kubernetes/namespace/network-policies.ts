import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../contract";
import { type KubernetesArgs, labelsOf, partOf, selectorOf } from "../context";

const DNS_PORT = 53;

/** Whom pods may talk to, or be talked to by. */
export type Peer =
  /** Addresses outside of the cluster. */
  | { readonly cidrs: readonly string[]; readonly except?: readonly string[] }
  /** All pods of a namespace. */
  | { readonly namespace: string };

/** One service that pods use. */
export interface Way {
  /** What is there, e.g. `database`: names the policy. */
  readonly name: string;
  readonly peer: Peer;
  /** TCP ports. */
  readonly ports: readonly number[];
}

export interface NetworkPoliciesArgs extends KubernetesArgs {
  /** Who sends requests to the web role: a load balancer's addresses, or the namespace of an ingress controller. @default nobody */
  readonly clients: readonly Peer[];
  /** Who reads the figures of all roles. @default nobody */
  readonly monitoring?: Peer | undefined;
  /** Services outside of the namespace that all pods use. */
  readonly services: readonly Way[];
  /**
   * Addresses of the cluster's DNS where it is no pod of namespace `kube-system` with the label `k8s-app: kube-dns`. @default none
   */
  readonly dnsCidrs?: readonly string[];
}

/**
 * Nothing may talk to anything, and then what may: one policy for each way, named after where it leads. They hold where the cluster's network
 * plugin keeps them; others ignore them.
 */
export class NetworkPolicies extends pulumi.ComponentResource {
  private readonly policies: Readonly<Record<string, k8s.networking.v1.NetworkPolicy>>;

  constructor(name: string, args: NetworkPoliciesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:NetworkPolicies", name, {}, opts);
    this.policies = Object.fromEntries(
      Object.entries(policySpecs(args)).map(([suffix, spec]) => {
        const metadata = { namespace: args.context.namespace, name: suffix, labels: labelsOf(args.context) };
        return [suffix, new k8s.networking.v1.NetworkPolicy(`${name}-${suffix}`, { metadata, spec }, { parent: this })];
      }),
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of, by name. */
  get nodes(): { readonly policies: Readonly<Record<string, k8s.networking.v1.NetworkPolicy>> } {
    return { policies: this.policies };
  }
}

type Spec = k8s.types.input.networking.v1.NetworkPolicySpec;

/** The policies by name. Those without a way in have `policyTypes` Egress only, and the other way round: what they do not name stays denied. */
export function policySpecs({
  context,
  clients,
  monitoring,
  services,
  dnsCidrs = [],
}: NetworkPoliciesArgs): Readonly<Record<string, Spec>> {
  const all = { matchLabels: partOf(context) };
  const app = { ports: tcp([APP_PORT]) };
  const dns = {
    ports: ["UDP", "TCP"].map((protocol) => ({ protocol, port: DNS_PORT })),
    to: [
      { namespaceSelector: namespaceNamed("kube-system"), podSelector: { matchLabels: { "k8s-app": "kube-dns" } } },
      ...(dnsCidrs.length === 0 ? [] : peers({ cidrs: dnsCidrs })),
    ],
  };
  return {
    "deny-all": { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    "allow-dns": { podSelector: all, policyTypes: ["Egress"], egress: [dns] },
    // Roles find each other by the names of their services (A18).
    "allow-between-roles": {
      podSelector: all,
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ ...app, from: [{ podSelector: all }] }],
      egress: [{ ...app, to: [{ podSelector: all }] }],
    },
    ...(clients.length === 0
      ? {}
      : {
          "allow-clients": {
            podSelector: { matchLabels: selectorOf(context, "web") },
            policyTypes: ["Ingress"],
            ingress: [{ ...app, from: clients.flatMap(peers) }],
          },
        }),
    ...(monitoring === undefined
      ? {}
      : { "allow-monitoring": { podSelector: all, policyTypes: ["Ingress"], ingress: [{ ...app, from: peers(monitoring) }] } }),
    ...Object.fromEntries(
      services.map(({ name, peer, ports }): [string, Spec] => [
        `allow-to-${name}`,
        { podSelector: all, policyTypes: ["Egress"], egress: [{ ports: tcp(ports), to: peers(peer) }] },
      ]),
    ),
  };
}

const tcp = (ports: readonly number[]): k8s.types.input.networking.v1.NetworkPolicyPort[] =>
  ports.map((port) => ({ protocol: "TCP", port }));

/** Kubernetes gives every namespace a label with its name. */
const namespaceNamed = (name: string): k8s.types.input.meta.v1.LabelSelector => ({ matchLabels: { "kubernetes.io/metadata.name": name } });

function peers(peer: Peer): k8s.types.input.networking.v1.NetworkPolicyPeer[] {
  if ("namespace" in peer) return [{ namespaceSelector: namespaceNamed(peer.namespace) }];
  return peer.cidrs.map((cidr) => ({ ipBlock: { cidr, ...(peer.except === undefined ? {} : { except: [...peer.except] }) } }));
}
