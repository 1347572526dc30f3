import { type ContextFile, readContext } from "../image/context-hash";

export { ETCD_DATA_DIRECTORY, ETCD_PEER_PORT, ETCD_PORT, etcdArguments, type EtcdSettings } from "./settings";

/** The build context of the image all etcd members run. */
export function etcdContext(): ContextFile[] {
  return readContext(__dirname, (name) => name === "Dockerfile");
}
