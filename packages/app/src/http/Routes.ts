/**
 * Which paths there are, and with which methods: what is not among them never gets further.
 *
 * Paths are matched as they were written. A segment is only decoded to become a parameter, and the endpoint's schema decides about it, so
 * there are no two spellings of one path.
 */
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import type { HttpMetrics, RouteMetrics } from "./HttpMetrics.ts"

export interface Route {
  readonly path: string
  readonly segments: ReadonlyArray<string>
  readonly methods: Map<string, RouteMetrics>
  /** The Allow header. */
  allow: string
}

export interface Endpoint {
  readonly method: string
  readonly path: string
}

export const endpointsOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlyArray<Endpoint> => {
  const endpoints: Array<Endpoint> = []
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => endpoints.push({ method: endpoint.method, path: endpoint.path })
  })
  return endpoints
}

export class Routes {
  readonly #routes = new Map<string, Route>()

  constructor(endpoints: ReadonlyArray<Endpoint>, metrics: HttpMetrics) {
    for (const { method, path } of endpoints) {
      const route = this.#routes.get(path) ?? { path, segments: path.split("/"), methods: new Map(), allow: "" }
      for (const name of method === "GET" ? ["GET", "HEAD"] : [method]) route.methods.set(name, metrics.route(name, path))
      route.allow = [...route.methods.keys()].sort().join(", ")
      this.#routes.set(path, route)
    }
  }

  match(path: string): Route | undefined {
    const fixed = this.#routes.get(path)
    if (fixed !== undefined && !path.includes(":")) return fixed
    const segments = path.split("/")
    for (const route of this.#routes.values()) {
      if (route.segments.length === segments.length && matches(route.segments, segments)) return route
    }
    return undefined
  }
}

const matches = (pattern: ReadonlyArray<string>, segments: ReadonlyArray<string>): boolean => {
  for (let i = 0; i < pattern.length; i++) {
    const expected = pattern[i]!
    if (expected.startsWith(":") ? segments[i] === "" : expected !== segments[i]) return false
  }
  return true
}

/** The path of a request target, without a query; of an absolute one as well. */
export const pathOf = (target: string): string => {
  const start = target.startsWith("/") ? 0 : target.indexOf("/", target.indexOf("://") + 3)
  if (start === -1) return target
  const end = target.indexOf("?", start)
  return end === -1 ? target.slice(start) : target.slice(start, end)
}

/** Whether a path can be read in one way only. */
export const isPlain = (path: string): boolean => {
  if (path.includes(";") || path.includes("#")) return false
  if (!path.includes("%")) return true
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
