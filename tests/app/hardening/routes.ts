import type { Container } from "../../../app/src/container";
import { createApp } from "../../../app/src/app";

/** One route as Express has it. */
export interface Route {
  readonly method: string;
  /** Pattern such as `/api/orders/:id`. */
  readonly path: string;
}

interface Listed {
  readonly path: unknown;
  readonly methods: readonly string[] | undefined;
  readonly router: { listRoutes(): Listed[] } | undefined;
}

/** Every route of the app, found by asking its routers, so that no new one is forgotten. */
export function allRoutes(container: Container): Route[] {
  const router = (createApp(container) as unknown as { readonly router: { listRoutes(): Listed[] } }).router;
  return collect(router.listRoutes(), "").filter(({ method }) => method !== "HEAD");
}

function collect(listed: readonly Listed[], prefix: string): Route[] {
  return listed.flatMap(({ path, methods, router }) => {
    const where = typeof path === "string" && path !== "/" ? `${prefix}${path}` : prefix;
    if (router !== undefined) return collect(router.listRoutes(), where);
    return (methods ?? []).map((method) => ({ method: method.toUpperCase(), path: where === "" ? "/" : where }));
  });
}
