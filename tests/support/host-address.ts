import { networkInterfaces } from "node:os";

/** An address of this machine that containers reach. */
export function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const found = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  if (found === undefined) throw new Error("this machine has no address");
  return found.address;
}
