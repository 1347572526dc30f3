import { EKS, TWO_REGIONS } from "../../support/cloud-program";
import type { Recorder } from "../../support/pulumi-mocks";

/** What each runtime needs beside the rest. */
export const RUNTIMES = { ecs: {}, eks: EKS } as const;

/** The stack after the second region has taken over. */
export const TAKEN = { ...TWO_REGIONS, writeRegion: TWO_REGIONS.secondRegion };

/** What two regions need with profile dev: a domain is all that is more. */
export const DEV_TWO_REGIONS = {
  ...{ secondRegion: TWO_REGIONS.secondRegion, domainName: "dev.example.com", hostedZoneId: "Z0123456789ABCDEFGHIJ" },
  secondImage: TWO_REGIONS.secondImage,
} as const;

/** Whether a resource is one of the second region, by its name. */
export const isSecond = ({ name }: { readonly name: string }): boolean => name.startsWith("second-");

type Variable = { readonly name: string; readonly value?: string; readonly valueFrom?: string };

/** Variables and secrets of a task's container. */
export function environmentOf(recorder: Recorder, task: string): Record<string, string> {
  const [container] = JSON.parse(String(recorder.get(task).inputs["containerDefinitions"])) as {
    environment: Variable[];
    secrets: Variable[];
  }[];
  const all = [...(container?.environment ?? []), ...(container?.secrets ?? [])];
  return Object.fromEntries(all.map(({ name, value, valueFrom }) => [name, value ?? valueFrom ?? ""]));
}

/** Host of an address. */
export const hostOf = (address: string | undefined): string => new URL(address ?? "").hostname;

/** The environment that pods are given by an object of Kubernetes. */
export function dataOf(recorder: Recorder, configMap: string): Record<string, string> {
  return (recorder.get(configMap).inputs as { data: Record<string, string> }).data;
}
