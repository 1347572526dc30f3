import type { Session } from "../session/session-store";

/** Where messages go. Each is one audience; which ones a connection belongs to follows from its session and from nothing else. */
export type Channel = `user:${string}:${string}` | `company-admin:${string}` | "platform";

/** One user of a company, on every device. */
export function userChannel(companyId: string, userId: string): Channel {
  return `user:${companyId}:${userId}`;
}

/** The admins of a company. */
export function companyAdminChannel(companyId: string): Channel {
  return `company-admin:${companyId}`;
}

/** The operators of the platform. */
export const PLATFORM_CHANNEL: Channel = "platform";

/** Everything a session may hear. Clients cannot ask for channels, so none can ask for another company's. */
export function channelsOf({ companyId, userId, role, platformAdmin }: Session): readonly Channel[] {
  return [
    userChannel(companyId, userId),
    ...(role === "admin" ? [companyAdminChannel(companyId)] : []),
    ...(platformAdmin ? [PLATFORM_CHANNEL] : []),
  ];
}

/** What a client is sent, as JSON. */
export interface RealtimeMessage {
  /** Such as `order.created`. */
  readonly type: string;
  /** ISO 8601. */
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}
