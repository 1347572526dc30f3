import type { ProviderDefinition, ResourceType } from "../shared/provider";
import { randomPassword, randomString } from "./text";
import { randomBytes, randomId, randomInteger, randomShuffle, randomUuid } from "./values";

/** The version of the official plugin whose behaviour this is. */
const VERSION = "4.21.2";

const types: Readonly<Record<string, ResourceType>> = {
  "random:index/randomBytes:RandomBytes": randomBytes,
  "random:index/randomId:RandomId": randomId,
  "random:index/randomInteger:RandomInteger": randomInteger,
  "random:index/randomPassword:RandomPassword": randomPassword,
  "random:index/randomShuffle:RandomShuffle": randomShuffle,
  "random:index/randomString:RandomString": randomString,
  "random:index/randomUuid:RandomUuid": randomUuid,
};

/** The random provider: values from the operating system's generator, kept in the state like the official plugin's, which can continue with them. */
export const definition: ProviderDefinition = {
  name: "random",
  version: VERSION,
  announcement: `random: using this project's stand-in for the official plugin ${VERSION}, which could not be downloaded.`,
  resourceType(token) {
    const type = types[token];
    if (type !== undefined) return type;
    const known = Object.keys(types).map((name) => `random.${name.split(":").at(-1) ?? ""}`);
    throw new Error(
      `${token} is not part of this random stand-in, which has ${known.join(", ")}; install the official random plugin for it.`,
    );
  },
};
