import { boolean, filePath, integer, list, oneOf, text } from "../config/fields";
import { FIRST_SHARD, SHARD_NAME } from "../config/shards";

const NAME = /^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/;
const name = (what: string, example: string) => text(NAME, what, example);
/** Names with values, as labels and annotations have them: `PREFIX/NAME=VALUE`, a value without commas. */
const pairs = (what: string, value: string, example: string) =>
  list(new RegExp(`^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([\\w.-]{0,61}[A-Za-z0-9])?=${value}$`), what, example);
const cidrs = (what: string, example: string) => list(/^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/, what, example);

const principals = (example: string) =>
  list(
    /^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/[\w+=,.@/-]{1,200}$/,
    "ARNs of IAM roles or users, separated by commas (aws sts get-caller-identity)",
    example,
  );
/** A private range (RFC 1918), or one that providers share (RFC 6598), /16 to /32. */
const PRIVATE_RANGE =
  /^(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(\.\d{1,3}){2}\/(1[6-9]|2\d|3[0-2])$/;

/** Keys of phase `cloud` with cloudRuntime `eks` or `kubernetes`. */
export const kubernetesFields = {
  /** With eks: who may do everything in the cluster; whoever runs Pulumi has to be among them. */
  eksAdministrators: principals("arn:aws:iam::123456789012:role/deployer"),
  /** With eks: who may look at everything in the cluster and change nothing, e.g. the role that drift.yml has. @default none */
  eksViewers: principals("arn:aws:iam::123456789012:role/reader"),
  /** With eks and profile dev: ranges of addresses that reach the cluster's API over the internet. @default from inside of the network only */
  eksApiCidrs: cidrs("ranges of addresses, separated by commas", "203.0.113.7/32"),
  /** With eks: ranges of private addresses that reach the cluster's API inside of the network, each from its first address. @default none */
  eksPrivateCidrs: list(PRIVATE_RANGE, "ranges of private addresses, /16 to /32, separated by commas", "10.0.0.0/16"),
  /** With eks: version of Kubernetes. @default 1.35 */
  kubernetesVersion: text(/^1\.(3[3-9]|[4-9]\d)$/, "a version under standard support, 1.33 or newer", "1.35"),
  /** With kubernetes: file with the way into the cluster. @default what kubectl uses */
  kubeconfigFile: { ...filePath, example: "~/.kube/config" },
  /** With kubernetes: context in that file; without it an update could go to another cluster. */
  kubernetesContext: text(/^[\w.:@/-]{1,253}$/, "a context of the kubeconfig (kubectl config get-contexts)", "production"),
  /** With kubernetes: class of an Ingress for domainName. @default none, nor a route: the app is reached inside of the cluster */
  ingressClass: name("the name of an IngressClass (kubectl get ingressclass)", "nginx"),
  /** Secret with certificate and key for the Ingress, in the stack's namespace. @default plain HTTP */
  ingressTlsSecret: name("the name of a Secret of type kubernetes.io/tls", "shop-tls"),
  /** Annotations of the Ingress, for its controller. @default the size of bodies that documents need, for ingress-nginx */
  ingressAnnotations: pairs(
    "NAME=VALUE of annotations, separated by commas, values without commas",
    "[^,]{1,500}",
    "cert-manager.io/cluster-issuer=letsencrypt",
  ),
  /** With kubernetes: Secret of type kubernetes.io/dockerconfigjson in the stack's namespace, by which nodes get the image. @default none */
  imagePullSecret: name("the name of a Secret of type kubernetes.io/dockerconfigjson", "registry"),
  /** With kubernetes, instead of ingressClass: Gateway that a route for domainName is added to. */
  gateway: text(/^[a-z0-9-]{1,63}\/[a-z0-9.-]{1,253}$/, "NAMESPACE/NAME of a Gateway (kubectl get gateway -A)", "gateways/public"),
  /** With kubernetes: namespace that requests come from, that of the Ingress controller or the Gateway. */
  ingressNamespace: name("the name of a namespace", "ingress-nginx"),
  /** With kubernetes: class of the volume with uploaded documents, which all pods write to. */
  documentsStorageClass: name("a StorageClass with access mode ReadWriteMany (kubectl get storageclass)", "nfs"),
  /** Its size, GiB. @default 100 */
  documentsStorageGb: integer({ least: 1, most: 65_536, unit: "GiB", example: 100 }),
  /** With kubernetes: addresses of the services with data. @default private ones */
  servicesCidrs: cidrs("ranges of addresses, separated by commas", "10.20.0.0/16"),
  /** With kubernetes: addresses of the cluster's DNS where pods do not ask kube-dns in kube-system, such as a NodeLocal DNSCache. @default none */
  dnsCidrs: cidrs("ranges of addresses, separated by commas", "169.254.20.10/32"),
  /** With databases or databaseShards: those of them that new companies are placed in; others only keep what they have. @default all */
  databaseShardsForNew: list(
    SHARD_NAME,
    `names of databases (s2, s3 …, or those of databaseShards), or ${FIRST_SHARD} for the first, separated by commas`,
    FIRST_SHARD,
  ),
  /** With kubernetes: brokers of Kafka. @default none: events are kept in the outbox */
  kafkaBrokers: list(/^[\w.-]{1,253}:[1-9]\d{0,4}$/, "host:port of brokers, separated by commas", "kafka-1:9093,kafka-2:9093"),
  /** Whether they speak TLS. @default true */
  kafkaTls: boolean,
  /** With kubernetes: who signs the certificates of Postgres, in the databaseUrl and its like. @default the authorities Node believes */
  databaseCaFile: { ...filePath, example: "certificates/database-ca.pem" },
  /** The same of Redis, with rediss:// addresses. */
  redisCaFile: { ...filePath, example: "certificates/redis-ca.pem" },
  /** The same of kafkaBrokers. */
  kafkaCaFile: { ...filePath, example: "certificates/kafka-ca.pem" },
  /** Namespace of a Prometheus operator, which is told to read the app's figures. @default none */
  monitoringNamespace: name("the name of a namespace", "monitoring"),
  /** Labels by which that Prometheus chooses its ServiceMonitors; those of kube-prometheus-stack look for one. @default none */
  monitoringLabels: pairs(
    "NAME=VALUE of labels, separated by commas",
    "[A-Za-z0-9]([\\w.-]{0,61}[A-Za-z0-9])?",
    "release=kube-prometheus-stack",
  ),
  /**
   * How autoscalers learn what waits for jobs and consumer. With external an adapter serves `jobs_waiting` and `kafka_consumer_lag` as one number
   * for the namespace: each pod tells of all that waits, so it is the greatest of them, not their sum. @default none: they go by CPU and memory
   */
  queueMetrics: oneOf(["none", "external", "keda"]),
  /** With queueMetrics keda: where KEDA asks. */
  prometheusUrl: text(/^https?:\/\/[\w.:-]+(\/[\w./-]*)?$/, "the address of a Prometheus", "http://prometheus.monitoring:9090"),
} as const;

/** What {@link pairs} reads, as an object. */
export function pairsOf(texts: readonly string[] = []): Readonly<Record<string, string>> {
  return Object.fromEntries(texts.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
}

export type KubernetesKey = keyof typeof kubernetesFields;
