import type { RequestContext } from "../observability/context";
import type { Session } from "../session/session-store";

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- how @types/express lets a request carry more
  namespace Express {
    interface Request {
      /** Set by the first middleware. */
      context: RequestContext;
      /** Who asks; set by `authenticate`, absent on public routes. */
      session?: Session;
    }
  }
}
