import { isObject } from "../../shared/values";
import {
  atLeast,
  bool,
  duration,
  int,
  label,
  map,
  matching,
  object,
  objects,
  oneOf,
  string,
  strings,
  stringSet,
  type Fields,
  type ResourceSchema,
} from "./fields";

const FORCE = { forceNew: true } as const;
const KEPT = { forceNew: true, computed: true } as const;

// Like the official schema, properties of a mount do not replace the container, only adding or removing a mount does.
const mount: Fields = {
  target: string({ required: true }),
  source: string(),
  type: string({ required: true, check: oneOf("bind", "volume", "tmpfs") }),
  readOnly: bool(),
  bindOptions: object({ propagation: string({ check: oneOf("private", "rprivate", "shared", "rshared", "slave", "rslave") }) }),
  volumeOptions: object(
    {},
    { refused: "the official plugin refuses volume options on Docker below API 1.45, use volumes or a docker.Volume" },
  ),
  tmpfsOptions: object({ sizeBytes: int(), mode: int() }, FORCE),
};

const volume: Fields = {
  fromContainer: string(FORCE),
  containerPath: string(FORCE),
  hostPath: string({ ...FORCE, check: matching(/^(\/|[a-zA-Z]:\\)/, "an absolute path") }),
  volumeName: string(FORCE),
  readOnly: bool(FORCE),
  selinuxRelabel: string({ ...FORCE, check: oneOf("z", "Z") }),
};

const port: Fields = {
  internal: int({ ...FORCE, required: true }),
  external: int(KEPT),
  ip: string({ ...FORCE, default: "0.0.0.0" }),
  protocol: string({ ...FORCE, default: "tcp" }),
};

const upload: Fields = {
  file: string({ ...FORCE, required: true }),
  content: string(FORCE),
  contentBase64: string({ ...FORCE, check: matching(/^[A-Za-z0-9+/]*={0,2}$/, "base64") }),
  source: string(FORCE),
  sourceHash: string(FORCE),
  executable: bool(FORCE),
  permissions: string({ ...FORCE, check: matching(/^0[0-7]{3}$/, 'an octal mode such as "0644"') }),
};

const healthcheck: Fields = {
  tests: strings(),
  interval: string({ default: "0s", check: duration }),
  timeout: string({ default: "0s", check: duration }),
  startPeriod: string({ default: "0s", check: duration }),
  startInterval: string({ default: "0s", check: duration }),
  retries: int({ check: atLeast(0) }),
};

const attachment: Fields = {
  name: string({ ...FORCE, required: true }),
  aliases: stringSet(FORCE),
  ipv4Address: string(FORCE),
  ipv6Address: string(FORCE),
  linkLocalIps: stringSet(FORCE),
  macAddress: string(FORCE),
  driverOpts: stringSet(FORCE),
  gwPriority: int({ ...FORCE, check: atLeast(0) }),
};

const throttle = objects("set", { path: string({ required: true }), rate: int({ required: true, check: atLeast(0) }) });

/**
 * docker.Container. Three things worth knowing, all as in the official plugin: replacements delete the old container first; a changed
 * health check, `init` or `tmpfs` is an "update" that Docker has no call for and that therefore only changes the state; `memorySwap`
 * left out beside `memory` shows as an update, because Docker sets it to twice the memory.
 */
export const containerSchema: ResourceSchema = {
  token: "docker:index/container:Container",
  deleteBeforeReplace: true,
  autoname: true,
  version: "2",
  fields: {
    name: string(FORCE),
    image: string({ ...FORCE, required: true }),
    rm: bool(),
    readOnly: bool(FORCE),
    start: bool({ default: true }),
    wait: bool(),
    waitTimeout: int({ default: 60 }),
    attach: bool(),
    logs: bool(),
    mustRun: bool({ default: true }),
    hostname: string(KEPT),
    domainname: string(FORCE),
    command: strings(KEPT),
    entrypoints: strings(KEPT),
    user: string({ ...FORCE, emptyIsUnset: true }),
    workingDir: string({ ...FORCE, emptyIsUnset: true }),
    dns: stringSet(FORCE),
    dnsOpts: stringSet(FORCE),
    dnsSearches: stringSet(FORCE),
    publishAllPorts: bool(FORCE),
    restart: string({ default: "no", check: oneOf("no", "on-failure", "always", "unless-stopped") }),
    maxRetryCount: int(),
    removeVolumes: bool({ default: true }),
    capabilities: object({ adds: stringSet(FORCE), drops: stringSet(FORCE) }, FORCE),
    securityOpts: stringSet(KEPT),
    runtime: string(KEPT),
    platform: string(KEPT),
    stopSignal: string(KEPT),
    stopTimeout: int(KEPT),
    mounts: objects("set", mount, FORCE),
    volumes: objects("set", volume, FORCE),
    tmpfs: map(),
    ports: objects("list", port, FORCE),
    hosts: objects("set", { ip: string({ ...FORCE, required: true }), host: string({ ...FORCE, required: true }) }, FORCE),
    ulimits: objects(
      "set",
      { name: string({ ...FORCE, required: true }), soft: int({ ...FORCE, required: true }), hard: int({ ...FORCE, required: true }) },
      FORCE,
    ),
    envs: stringSet(KEPT),
    privileged: bool(FORCE),
    devices: objects(
      "set",
      {
        hostPath: string({ ...FORCE, required: true }),
        containerPath: string(FORCE),
        permissions: string({ ...FORCE, default: "rwm" }),
      },
      FORCE,
    ),
    deviceReadBps: throttle,
    deviceReadIops: throttle,
    deviceWriteBps: throttle,
    deviceWriteIops: throttle,
    deviceRequests: object({}, { refused: "GPUs and other device requests are not part of it" }),
    gpus: string({ refused: "GPUs and other device requests are not part of it" }),
    destroyGraceSeconds: int(),
    labels: objects("set", label(true), KEPT),
    memory: int({ check: atLeast(0) }),
    memoryReservation: int({ check: atLeast(0) }),
    memorySwap: int({ check: atLeast(-1) }),
    shmSize: int({ ...KEPT, check: atLeast(0) }),
    cpus: string(FORCE),
    cpuShares: int({ check: atLeast(0) }),
    cpuSet: string({ check: matching(/^\d+([,-]\d+)*$/, '"0-2" or "0,1"') }),
    cpuPeriod: int({ check: atLeast(0) }),
    cpuQuota: int({ check: atLeast(0) }),
    logDriver: string(KEPT),
    logOpts: map(FORCE),
    networkMode: string({ ...FORCE, default: "bridge" }),
    networksAdvanced: objects("set", attachment, FORCE),
    pidMode: string(FORCE),
    usernsMode: string(FORCE),
    uploads: objects("set", upload, FORCE),
    healthcheck: object(healthcheck, { computed: true }),
    containerReadRefreshTimeoutMilliseconds: int({ default: 15_000 }),
    sysctls: map(FORCE),
    ipcMode: string(KEPT),
    groupAdds: stringSet(FORCE),
    init: bool({ computed: true }),
    tty: bool(FORCE),
    stdinOpen: bool(FORCE),
    storageOpts: map(FORCE),
    cgroupParent: string(FORCE),
    cgroupnsMode: string({ ...FORCE, check: oneOf("private", "host") }),
    bridge: string({ output: true }),
    containerLogs: string({ output: true }),
    exitCode: int({ output: true }),
    networkDatas: objects("list", {}, { output: true }),
  },
};

/** What is wrong with an upload as a whole, which its single properties cannot tell. */
export function uploadProblem(value: unknown): string | undefined {
  if (!isObject(value as Parameters<typeof isObject>[0])) return undefined;
  const upload = value as Record<string, unknown>;
  const given = ["content", "contentBase64", "source"].filter((key) => (upload[key] ?? "") !== "");
  if (given.length === 0) return "error with upload content: one of 'content', 'content_base64', or 'source' must be set";
  return given.length > 1 ? "error with upload content: only one of 'content', 'content_base64', or 'source' can be set" : undefined;
}
