import { Agent, request as httpsRequest } from "node:https";

/** A request that takes longer is given up: none of them waits for anything but the server's disk. */
const TIMEOUT_MS = 30_000;

/** A Kubernetes object: what every kind has, and fields of its own. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** What the server refused, in its own words. */
export class KubernetesApiError extends Error {
  override readonly name = "KubernetesApiError";

  constructor(
    /** HTTP status. */
    readonly status: number,
    /** Its reason as one word, e.g. `Invalid`. */
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** Where an API server is, and who asks. */
export interface KubernetesServer {
  /** e.g. `https://127.0.0.1:6443`. */
  readonly url: string;
  /** Certificates that the server's is checked against, PEM. */
  readonly ca: string;
  /** Bearer token. */
  readonly token: string;
}

/** An answer: the object, and what the server remarked without refusing (deprecated versions, Pod Security's `warn`). */
export interface Answer<T = KubernetesObject> {
  readonly object: T;
  readonly warnings: readonly string[];
}

export interface ApplyOptions {
  /** Whose fields these are. */
  readonly fieldManager: string;
  /** Everything but keeping it: admission, defaults, validation. @default false */
  readonly dryRun?: boolean;
  /** Take over fields that others manage. @default false: a conflict is refused */
  readonly force?: boolean;
}

interface ResourceKind {
  readonly plural: string;
  readonly namespaced: boolean;
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

/** The API of a Kubernetes server: objects of any kind it serves, by server-side apply. */
export class KubernetesApi {
  private readonly agent: Agent;
  private readonly kinds = new Map<string, Promise<ResourceList>>();

  constructor(private readonly server: KubernetesServer) {
    this.agent = new Agent({ ca: server.ca, keepAlive: true, maxSockets: 8 });
  }

  /**
   * Creates or changes an object so that it has these fields; those of other managers stay. Unknown and double fields are refused.
   * @throws KubernetesApiError when the server refuses it
   */
  async apply(object: KubernetesObject, { fieldManager, dryRun = false, force = false }: ApplyOptions): Promise<Answer> {
    const query = new URLSearchParams({
      fieldManager,
      fieldValidation: "Strict",
      force: String(force),
      ...(dryRun ? { dryRun: "All" } : {}),
    });
    return this.request("PATCH", `${await this.pathOf(object)}?${query.toString()}`, object, "application/apply-patch+yaml");
  }

  /** @throws KubernetesApiError with status 404 when it is not there */
  async get(object: Pick<KubernetesObject, "apiVersion" | "kind" | "metadata">): Promise<KubernetesObject> {
    return (await this.request("GET", await this.pathOf(object))).object;
  }

  /** All objects of a kind in a namespace. */
  async list(apiVersion: string, kind: string, namespace: string): Promise<readonly KubernetesObject[]> {
    const path = await this.pathOf({ apiVersion, kind, metadata: { name: "", namespace } });
    const { object } = await this.request<{ items: readonly KubernetesObject[] }>("GET", path.replace(/\/$/, ""));
    return object.items;
  }

  /** Whether the server has a kind. */
  async serves(apiVersion: string, kind: string): Promise<boolean> {
    try {
      await this.pathOf({ apiVersion, kind, metadata: { name: "" } });
      return true;
    } catch (error) {
      if (error instanceof KubernetesApiError && error.status === 404) return false;
      throw error;
    }
  }

  /** Writes an object's status, which is a controller's to do. */
  async writeStatus(object: KubernetesObject, status: unknown): Promise<void> {
    await this.request("PATCH", `${await this.pathOf(object)}/status`, { status }, "application/merge-patch+json");
  }

  /**
   * One request. @param path with its query
   * @throws KubernetesApiError for every answer but 2xx
   */
  request<T = KubernetesObject>(method: string, path: string, body?: unknown, type = "application/json"): Promise<Answer<T>> {
    const { url, token } = this.server;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      accept: "application/json",
      ...(text === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) }),
    };
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(new URL(path, url), { method, headers, agent: this.agent, timeout: TIMEOUT_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const { statusCode = 0, headers: answered } = response;
          const content = Buffer.concat(chunks).toString("utf8");
          if (statusCode < 200 || statusCode > 299) reject(refusal(statusCode, content));
          else resolve({ object: parsed(content) as T, warnings: warningsOf(answered["warning"]) });
        });
      });
      sent.once("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS / 1000} s`)));
      sent.once("error", reject);
      sent.end(text);
    });
  }

  /** Closes its connections. */
  close(): void {
    this.agent.destroy();
  }

  private async pathOf({ apiVersion, kind, metadata }: Pick<KubernetesObject, "apiVersion" | "kind" | "metadata">): Promise<string> {
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const { plural, namespaced } = await this.kindOf(root, kind);
    const place = namespaced && metadata.namespace !== undefined ? `/namespaces/${metadata.namespace}` : "";
    return `${root}${place}/${plural}/${metadata.name}`;
  }

  private async kindOf(root: string, kind: string): Promise<ResourceKind> {
    const listed = this.kinds.get(root) ?? this.request<ResourceList>("GET", root).then(({ object }) => object);
    this.kinds.set(root, listed);
    try {
      const found = (await listed).resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
      if (found !== undefined) return { plural: found.name, namespaced: found.namespaced };
    } catch (error) {
      this.kinds.delete(root);
      throw error;
    }
    // It may be defined a moment later.
    this.kinds.delete(root);
    throw new KubernetesApiError(404, "NotFound", `the server has no kind ${kind} in ${root.replace(/^\/apis?\//, "")}`);
  }
}

/** What a server says beside its answer: `299 - "text"`, several after commas. */
function warningsOf(header: string | string[] | undefined): string[] {
  return [...(header ?? "").toString().matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text.replace(/\\(.)/g, "$1"));
}

function refusal(status: number, content: string): KubernetesApiError {
  const { message, reason } = parsed(content) as { message?: string; reason?: string };
  return new KubernetesApiError(status, reason ?? "", message ?? `HTTP ${status}: ${content}`);
}

/** The server answers in plain text where it has no object to answer with. */
function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return {};
  }
}
