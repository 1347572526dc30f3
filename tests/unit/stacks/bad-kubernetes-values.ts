import type { KubernetesKey } from "../../../stacks/kubernetes/keys";

/** Values that keys of EKS and of any Kubernetes cluster refuse, for the table of config.test.ts. */
export const BAD_KUBERNETES_VALUES: Readonly<Record<Exclude<KubernetesKey, `${string}File`>, readonly string[]>> = {
  eksAdministrators: ["deployer", "arn:aws:iam::1:role/deployer", "arn:aws:s3:::bucket", ""],
  eksApiCidrs: ["203.0.113.7", "everybody", "203.0.113.7/32,203.0.113.7/32", ""],
  kubernetesVersion: ["1.29", "1", "v1.35", "2.0", ""],
  kubernetesContext: ["two words", ""],
  ingressClass: ["Nginx", "two words", ""],
  ingressTlsSecret: ["TLS", "-tls", ""],
  ingressAnnotations: ["cert-manager.io/cluster-issuer", "=x", "two words=x", "a=b,a=b", ""],
  imagePullSecret: ["Registry", "two words", ""],
  gateway: ["public", "a/b/c", "Gateways/public", ""],
  ingressNamespace: ["Ingress", ""],
  documentsStorageClass: ["NFS", "nfs-", ""],
  documentsStorageGb: ["0", "65537", "100GB"],
  servicesCidrs: ["10.20.0.0", "10.20.0.0/16, 10.21.0.0/16", ""],
  dnsCidrs: ["169.254.20.10", "dns", ""],
  databaseShardsForNew: ["S2", "2", "s2, s3", "s2,s2", "s2=postgres://h/d", ""],
  kafkaBrokers: ["kafka-1", "kafka-1:0", "kafka-1:9093;kafka-2:9093", ""],
  kafkaTls: ["yes", "1", ""],
  monitoringNamespace: ["Monitoring", ""],
  monitoringLabels: ["release", "release=two words", "release=", ""],
  queueMetrics: ["KEDA", "prometheus", ""],
  prometheusUrl: ["prometheus:9090", "ftp://prometheus", ""],
};
