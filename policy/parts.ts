import type { Section } from "./graph";
import { flag, isGiven, number, text } from "./read";
import type { Part } from "./rule";

/** Parts that most rules are made of. A path is that of an input, e.g. `metadataOptions.httpTokens`. */

/** The switch is on. */
export const isTrue =
  (path: string): Part =>
  (resource) =>
    flag(resource, path) ? undefined : `${path} is ${shown(resource, path)}; allowed: true`;

/** The switch is off or not given. */
export const isNotTrue =
  (path: string): Part =>
  (resource) =>
    flag(resource, path) ? `${path} is true; allowed: false` : undefined;

/** Something is given, be it known or not. */
export const isSet =
  (path: string): Part =>
  (resource) =>
    isGiven(resource, path) ? undefined : `${path} is not set`;

/** The text is one of those. */
export const isOneOf =
  (path: string, ...allowed: readonly string[]): Part =>
  (resource) =>
    allowed.includes(text(resource, path)) ? undefined : `${path} is ${shown(resource, path)}; allowed: ${allowed.join(", ")}`;

/** The number is between those, both included. @param otherwise what is taken where none is given */
export const isBetween =
  (path: string, least: number, most: number, otherwise?: number): Part =>
  (resource) => {
    const value = number(resource, path) ?? otherwise;
    if (value !== undefined && value >= least && value <= most) return undefined;
    const allowed = most === Infinity ? `at least ${least}` : least === most ? String(least) : `${least} to ${most}`;
    return `${path} is ${value ?? "not set"}; allowed: ${allowed}`;
  };

/** At least that. */
export const isAtLeast = (path: string, least: number, otherwise?: number): Part => isBetween(path, least, Infinity, otherwise);

/** A part that does not count with profile dev. */
export const inProd =
  (part: Part): Part =>
  (resource, graph, profile) =>
    profile.name === "dev" ? undefined : part(resource, graph, profile);

/** One part with profile prod, another with dev. */
export const byProfile =
  (prod: Part, dev: Part): Part =>
  (resource, graph, profile) =>
    (profile.name === "dev" ? dev : prod)(resource, graph, profile);

/** At least one resource of the types refers to this one. */
export const hasReferrer =
  (path: string, what: string, ...types: readonly string[]): Part =>
  (resource, graph) =>
    graph.referrers(resource, path, ...types).length > 0 ? undefined : `it has no ${what}`;

/** How a value is written in a clause. @throws NotKnown when it is not known yet */
export function shown(section: Section, path: string): string {
  return isGiven(section, path) ? text(section, path) || "something else" : "not set";
}
