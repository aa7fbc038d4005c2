import { z } from "zod";
import { PROGRAMS } from "../../schema/configuration/programs.ts";

const text = z.string().optional();
const flag = z.boolean().optional();
/** Labels, annotations, selectors. */
const map = z.record(z.string(), z.string()).optional();
/** What Kubernetes itself describes and checks. */
const asInKubernetes = z.looseObject({}).optional();
const listAsInKubernetes = z.array(z.looseObject({})).optional();
/** A name of an object of Kubernetes (RFC 1123 §2.1). */
const objectName = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
const quantity = z.string().regex(/^\d+(\.\d+)?(m|[kMGTPE]i?)?$/);
const amounts = z.strictObject({
  cpu: z.union([quantity, z.number()]).optional(),
  memory: z.union([quantity, z.number()]).optional(),
  "ephemeral-storage": z.union([quantity, z.number()]).optional(),
});

const pod = {
  existingSecrets: z.array(objectName).optional(),
  resources: z.strictObject({ requests: amounts.optional(), limits: amounts.optional() }).optional(),
  extraEnv: listAsInKubernetes,
  extraVolumes: listAsInKubernetes,
  extraVolumeMounts: listAsInKubernetes,
  podAnnotations: map,
  podLabels: map,
  priorityClassName: text,
  nodeSelector: map,
  tolerations: listAsInKubernetes,
  affinity: asInKubernetes,
};

/** How the Prometheus operator finds and asks. */
const monitor = z
  .strictObject({
    enabled: flag,
    labels: map,
    interval: z
      .string()
      .regex(/^\d+(ms|s|m|h)$/)
      .optional(),
    tokenSecret: z.strictObject({ name: text, key: text }).optional(),
  })
  .optional();

const collector = z.strictObject({
  ...pod,
  extraContainers: listAsInKubernetes,
  enabled: flag,
  replicas: z.int().min(1).max(16).optional(),
  config: PROGRAMS.collector.schema.optional(),
  nativeGre: flag,
  service: z
    .strictObject({
      type: z.enum(["ClusterIP", "NodePort", "LoadBalancer"]).optional(),
      nodePorts: z.array(z.int().min(1).max(65_535)).optional(),
      loadBalancerClass: text,
      loadBalancerSourceRanges: z.array(z.string()).optional(),
      annotations: map,
    })
    .optional(),
  storage: z.strictObject({ size: quantity.optional(), storageClass: text, annotations: map }).optional(),
  podDisruptionBudget: z.strictObject({ enabled: flag }).optional(),
  networkPolicy: z
    .strictObject({
      enabled: flag,
      copiesFrom: listAsInKubernetes,
      metricsFrom: listAsInKubernetes,
      egress: listAsInKubernetes,
    })
    .optional(),
  serviceMonitor: monitor,
  prometheusRule: z.strictObject({ enabled: flag, labels: map, alertLabels: map }).optional(),
  grafanaDashboard: z.strictObject({ enabled: flag, labels: map, annotations: map }).optional(),
  topologySpreadConstraints: listAsInKubernetes,
});

const agent = z.strictObject({
  ...pod,
  enabled: flag,
  config: PROGRAMS.agent.schema.optional(),
  podMonitor: monitor,
  maxUnavailable: z.union([z.int().min(1), z.string().regex(/^\d{1,3}%$/)]).optional(),
});

const values = z.strictObject({
  nameOverride: text,
  fullnameOverride: text,
  image: z
    .strictObject({
      repository: z.string().min(1).optional(),
      tag: text,
      digest: z
        .string()
        .regex(/^(sha256:[0-9a-f]{64})?$/)
        .optional(),
      pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).optional(),
    })
    .optional(),
  imagePullSecrets: z.array(objectName).optional(),
  commonLabels: map,
  serviceAccount: z.strictObject({ create: flag, name: text, annotations: map }).optional(),
  collector: collector.optional(),
  agent: agent.optional(),
  // A chart above this one has it in all of its parts.
  global: asInKubernetes,
});

/** helm/rejoin/values.schema.json: closed, and in it the configurations as the programs themselves describe them. */
export function valuesSchema() {
  return z.toJSONSchema(values, { io: "input" });
}
