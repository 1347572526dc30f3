/**
 * Secrets that nothing rotates, by their names in the program, with the reason: the exceptions of the rule secrets-rotation. They follow from a
 * decision of the design: "Passwords never change on their own; a second `pulumi up` without a change reports no changes." Whoever uses one of
 * these reads it once, when it starts, so a rotation in the background would lock out what runs. A secret of any other name is held to the rule.
 */
export const NOT_ROTATED: Readonly<Record<string, string>> = {
  "admin-token-kept-secret": "Operators and their programs hold this token, and would be locked out without having been told.",
  "database-app-kept-secret": "Tasks read the app's login when they start; a new password would refuse the connections they open after it.",
  "redis-cache-url-secret": "Tasks read the address with its token when they start; a new token would refuse those that reconnect.",
  "redis-limits-url-secret": "The same as redis-cache-url-secret, for limits and queues.",
  "session-secret-kept-secret":
    "It signs the sessions of everybody who is logged in; a new one that the app is not told of as the second ends them.",
  "uploads-key-even-secret":
    "It signs addresses that are good for two minutes, and CloudFront has to be told of another one first: uploadsKeyGeneration is raised by hand.",
  "uploads-key-odd-secret": "The same as uploads-key-even-secret, for the generation before or after.",
};
