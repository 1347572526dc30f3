import { atLeast, bool, int, label, map, object, objects, string, stringSet, type ResourceSchema } from "./fields";

const FORCE = { forceNew: true } as const;

/** docker.Network: every change replaces it. */
export const networkSchema: ResourceSchema = {
  token: "docker:index/network:Network",
  deleteBeforeReplace: false,
  autoname: true,
  version: "1",
  fields: {
    name: string(FORCE),
    labels: objects("set", label(true), FORCE),
    driver: string({ ...FORCE, computed: true }),
    options: map({ ...FORCE, computed: true }),
    internal: bool({ ...FORCE, computed: true }),
    attachable: bool(FORCE),
    ingress: bool(FORCE),
    ipv6: bool(FORCE),
    ipamDriver: string({ ...FORCE, default: "default" }),
    ipamOptions: map(FORCE),
    ipamConfigs: objects(
      "set",
      { subnet: string(FORCE), ipRange: string(FORCE), gateway: string(FORCE), auxAddress: map(FORCE) },
      { ...FORCE, computed: true },
    ),
    scope: string({ output: true }),
  },
};

/** docker.Volume: every change replaces it. */
export const volumeSchema: ResourceSchema = {
  token: "docker:index/volume:Volume",
  deleteBeforeReplace: false,
  autoname: true,
  version: "1",
  fields: {
    name: string({ ...FORCE, computed: true }),
    labels: objects("set", label(true), FORCE),
    driver: string({ ...FORCE, computed: true }),
    driverOpts: map(FORCE),
    cluster: object({}, { refused: "cluster volumes need Docker Swarm" }),
    mountpoint: string({ output: true }),
  },
};

/** docker.RemoteImage: an image that is pulled, or used when it is there already. */
export const remoteImageSchema: ResourceSchema = {
  token: "docker:index/remoteImage:RemoteImage",
  deleteBeforeReplace: false,
  autoname: false,
  fields: {
    name: string({ ...FORCE, required: true }),
    keepLocally: bool(),
    forceRemove: bool(),
    pullTriggers: stringSet(FORCE),
    triggers: map(FORCE),
    platform: string(FORCE),
    build: object({}, { refused: "images are built with docker.Image" }),
    imageId: string({ output: true }),
    repoDigest: string({ output: true }),
  },
};

/** Numbers that Docker takes from zero. */
export const fromZero = { check: atLeast(0) } as const;
export const wholeNumber = (options: Parameters<typeof int>[0] = {}): ReturnType<typeof int> => int({ ...fromZero, ...options });
