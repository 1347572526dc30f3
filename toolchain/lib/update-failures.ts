/** A failure of an update that we know, in the words a user needs. */
export interface KnownFailure {
  readonly kind:
    "migration" | "config" | "port" | "docker" | "disk" | "passphrase" | "locked" | "unhealthy" | "image" | "login" | "protected";
  /** What is wrong, one sentence. */
  readonly sentence: string;
  /** What to do, one sentence or command. */
  readonly fix: string;
  /** The TCP port, of kind `port`. */
  readonly port?: number;
  /** Names of containers, of kind `unhealthy`. */
  readonly containers?: readonly string[];
}

/** What the explanations mention. */
export interface FailureContext {
  /** Name of the stack. */
  readonly stack: string;
  /** The command that sets a configuration value and applies it, e.g. `npm run up -- --config port=3002`. */
  readonly configSet: (key: string, value: string) => string;
  /** With `npm run down`: that command, for this stack. @default it is an update */
  readonly destroy?: string;
  /** The file system of Docker's images, for a full disk; @default Docker's usual one. */
  readonly dockerRoot?: string;
}

type Explain = (match: RegExpMatchArray, context: FailureContext, output: string) => KnownFailure;

/**
 * Texts of Docker, Pulumi and the providers (20.10 to 28, official and stand-in) that mean the same. Order matters: the first
 * that matches is the cause, later ones are its consequences.
 */
const KNOWN: readonly { readonly pattern: RegExp; readonly explain: Explain }[] = [
  {
    pattern: /the stack is currently locked by \d+ lock/,
    explain: (_match, { stack }) => ({
      kind: "locked",
      sentence: `Another pulumi is working on stack ${stack}.`,
      fix: "Wait until it has ended; nothing was changed.",
    }),
  },
  {
    // Before what its log may be about: a full disk would be that of Postgres.
    pattern: /the migration of the database failed \(([^)]+)\)/,
    explain: (match) => ({
      kind: "migration",
      sentence: `The migration of the database failed (${match[1] ?? ""}); the app was left as it was, and what served before goes on serving.`,
      fix: "Its last lines are above; correct that and run the command again",
    }),
  },
  {
    pattern: /incorrect passphrase|passphrase must be set with PULUMI_CONFIG_PASSPHRASE/,
    explain: (_match, { stack }) => ({
      kind: "passphrase",
      sentence: `The secrets of stack ${stack} cannot be read: the passphrase is not the one it was made with.`,
      fix:
        "Unset PULUMI_CONFIG_PASSPHRASE and PULUMI_CONFIG_PASSPHRASE_FILE to use the project's own (.phased/passphrase), or set the one " +
        "that belongs to the stack",
    }),
  },
  {
    pattern: /the configuration of stack \S+ has (?:a problem|\d+ problems)/,
    explain: (_match, { configSet }) => ({
      kind: "config",
      sentence: "The stack's configuration is not valid; what to correct is listed above.",
      fix: `As written there, or: ${configSet("KEY", "VALUE")}`,
    }),
  },
  {
    pattern: /container does not have a healthcheck defined/,
    explain: () => ({
      kind: "image",
      sentence: "The image has no HEALTHCHECK, so nobody can tell when an instance is ready; what ran before keeps serving.",
      fix: "Add one to its Dockerfile, for example: HEALTHCHECK CMD curl --fail http://127.0.0.1:3001/ready",
    }),
  },
  {
    // Docker 20–28 for another container; libnetwork and Docker Desktop for another process.
    pattern:
      /(?:Bind for|listen tcp4?|exposing port TCP|failed to bind host port for|bind host port)\s+(?:[\d.]+|\[[^\]]*\]|:::?)?:?(\d{1,5})\b[\s\S]{0,200}?(?:already allocated|already in use)/,
    explain: (match) => {
      const port = Number(match[1]);
      return { kind: "port", port, sentence: `Port ${port} of this machine is already in use.`, fix: "" };
    },
  },
  {
    pattern: /no space left on device/,
    explain: (_match, { dockerRoot }) => ({
      kind: "disk",
      sentence: `The disk of Docker's images${dockerRoot === undefined ? "" : ` (${dockerRoot})`} is full.`,
      fix: "See what takes the room with: docker system df. Free it, for example with: docker image prune. Then run the command again",
    }),
  },
  {
    pattern:
      /Cannot connect to the Docker daemon|permission denied while trying to connect to the Docker daemon|error during connect|docker\.sock: connect: |connect (?:ENOENT|EACCES|ECONNREFUSED) \S*docker\S*/,
    explain: (match) => ({
      kind: "docker",
      sentence: /permission denied|EACCES/.test(match[0])
        ? "This user may not use Docker's socket."
        : "Docker does not answer, or stopped answering during the update.",
      fix: /permission denied|EACCES/.test(match[0])
        ? "Add the user to the group docker (sudo usermod -aG docker $USER, then log in again), or name an engine of your own with docker:host"
        : "Start Docker (npm run doctor tells more) and run the command again",
    }),
  },
  {
    pattern: /could not find bridge (\S+?):? /,
    explain: (match) => ({
      kind: "docker",
      sentence: `Docker's own network ${match[1] ?? ""} is gone from its machine, so nothing can be built or started on it.`,
      fix: "Restart Docker there, which makes it again: systemctl restart docker",
    }),
  },
  {
    pattern: /cannot be deleted\s+because it is protected|is protected\. To unprotect|marked for protection/,
    explain: (_match, { configSet, destroy }) => ({
      kind: "protected",
      sentence: "A resource with data is protected against deletion.",
      fix:
        destroy !== undefined
          ? `If it shall go: ${configSet("protect", "false")}, then ${destroy}`
          : "Undo the change of configuration that would delete it. If it shall go, its protection goes first, while the program still has it: with the " +
            `change undone ${configSet("protect", "false")}, then the change again, then ${configSet("protect", "true")}`,
    }),
  },
  {
    pattern:
      /pull access denied|manifest (?:for \S+ )?(?:unknown|not found)|failed to resolve reference|No such image|not found: manifest unknown/,
    explain: (_match, { configSet }) => ({
      kind: "image",
      sentence: "An image is neither here nor in a registry that can be reached.",
      fix: `npm run doctor says which base images are missing; for an image of your own check its name: ${configSet("image", "NAME:TAG")}`,
    }),
  },
  {
    pattern: /\bunhealthy\b|did not become healthy|exited (?:immediately|before)|exited with (?:exit )?code \d+|health ?check/i,
    explain: (_match, _context, output) => ({
      kind: "unhealthy",
      containers: containerNames(output),
      sentence: "A container did not become healthy; what ran before keeps serving.",
      fix: "Its last lines tell why; correct that and run the command again",
    }),
  },
  {
    pattern: /PULUMI_ACCESS_TOKEN must be set|invalid access token|could not get cloud url|please run `?pulumi login/i,
    explain: () => ({
      kind: "login",
      sentence: "Pulumi is set to a backend that asks for a login.",
      fix: "Log in with: pulumi login; or keep the state in this project: pulumi logout, then run the command again",
    }),
  },
];

/** Container names in quotes or after the word container, e.g. `container "dev-app-1a2b3c"`. */
function containerNames(output: string): string[] {
  const names = [...output.matchAll(/container\s+["'`]?([a-zA-Z0-9][\w.-]*-[\w.-]+)["'`]?/gi)].map((match) => match[1] ?? "");
  return [...new Set(names)];
}

/**
 * Explains the output of a failed update.
 * @param output what Pulumi printed, with or without colours.
 * @returns undefined when the failure is none of the known ones.
 */
export function explainFailure(output: string, context: FailureContext): KnownFailure | undefined {
  const text = stripAnsi(output);
  for (const { pattern, explain } of KNOWN) {
    const match = text.match(pattern);
    if (match !== null) return explain(match, context, text);
  }
  return undefined;
}

/** Text without colours and cursor movements. */
export function stripAnsi(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape character is what is looked for
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
}
