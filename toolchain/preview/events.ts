/** A resource as the engine previewed it; values that are not known yet are {@link UNKNOWN_TEXT}. */
export interface Previewed {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What a policy said about the stack or one of its resources. */
export interface Remark {
  readonly policy: string;
  readonly mandatory: boolean;
  /** What it is about: a logical name; empty for the stack as a whole. */
  readonly resource: string;
  /** What is wrong and what to do about it. */
  readonly message: string;
}

/** What a preview's event log tells. */
export interface PreviewEvents {
  readonly resources: readonly Previewed[];
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly remarks: readonly Remark[];
  /** Errors of the program, the engine, the plugins and the policy pack. */
  readonly errors: readonly string[];
  /** Whether the rules have been looked at: without them nothing is proven by the absence of remarks. */
  readonly policiesRan: boolean;
}

/** What stands in an event for a value that is not known before the update (resource.UnknownStringValue of Pulumi's Go SDK). */
export const UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

interface Metadata {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly new?: { readonly inputs?: Readonly<Record<string, unknown>>; readonly outputs?: Readonly<Record<string, unknown>> } | null;
}

/** The events that matter here, of apitype.EngineEvent. */
interface EngineEvent {
  readonly resourcePreEvent?: { readonly metadata: Metadata };
  readonly resOutputsEvent?: { readonly metadata: Metadata };
  readonly policyEvent?: {
    readonly resourceUrn?: string;
    readonly message: string;
    readonly policyName: string;
    readonly enforcementLevel: string;
  };
  readonly diagnosticEvent?: { readonly message: string; readonly severity: string };
  /** `PolicyPacks` alone has a capital: apitype.SummaryEvent had no JSON tag for it at first, and keeps the name. */
  readonly summaryEvent?: { readonly PolicyPacks?: Readonly<Record<string, string>> };
}

const STACK = "pulumi:pulumi:Stack";

/** Reads an event log: one JSON object a line, of which the last may be cut off. */
export function readEvents(log: string): PreviewEvents {
  const resources = new Map<string, Previewed>();
  const remarks: Remark[] = [];
  const errors: string[] = [];
  let outputs: Readonly<Record<string, unknown>> = {};
  let policiesRan = false;
  for (const line of log.split("\n")) {
    if (!line.endsWith("}")) continue;
    const { resourcePreEvent, resOutputsEvent, policyEvent, diagnosticEvent, summaryEvent } = JSON.parse(line) as EngineEvent;
    const made = resourcePreEvent?.metadata;
    if (made?.op === "create" && made.type !== STACK) {
      resources.set(made.urn, { type: made.type, name: nameOf(made.urn), inputs: made.new?.inputs ?? {} });
    }
    const done = resOutputsEvent?.metadata;
    if (done?.type === STACK) outputs = done.new?.outputs ?? {};
    if (policyEvent !== undefined) remarks.push(remark(policyEvent));
    if (diagnosticEvent?.severity === "error") errors.push(withoutColours(diagnosticEvent.message).trim());
    if (Object.keys(summaryEvent?.PolicyPacks ?? {}).length > 0) policiesRan = true;
  }
  return { resources: [...resources.values()], outputs, remarks, errors: [...new Set(errors)], policiesRan };
}

function remark({ resourceUrn = "", message, policyName, enforcementLevel }: NonNullable<EngineEvent["policyEvent"]>): Remark {
  const ofStack = resourceUrn === "" || resourceUrn.includes(`::${STACK}::`);
  return {
    policy: policyName,
    mandatory: enforcementLevel === "mandatory",
    resource: ofStack ? "" : nameOf(resourceUrn),
    message: withoutColours(message).trim(),
  };
}

/** The logical name at the end of a URN. */
function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** Without Pulumi's colour marks (`<{%fg 1%}>`). */
function withoutColours(text: string): string {
  return text.replace(/<\{%[^%]*%\}>/g, "");
}
