/** This host and this process: Node.js, open files, the port. */
import { createServer } from "node:net"
import { Effect } from "effect"
import type { Settings } from "../Settings.ts"
import { type Finding, findings, isAtLeast } from "./Finding.ts"

export interface HostFacts {
  readonly node: string
  /** Undefined where the system does not tell or sets none. */
  readonly openFiles: number | undefined
  readonly host: string
  readonly port: number
  /** Who is at the port: nobody, a Sluice, something else, or why it can't be taken. */
  readonly atPort: "free" | "sluice" | "other" | { readonly refused: string }
}

const { ok, problem, warning } = findings("host")

/** The release that the repository brings with it. */
const major = "24"

export const judgeHost = (facts: HostFacts): ReadonlyArray<Finding> => [
  judgeNode(facts.node),
  judgeOpenFiles(facts.openFiles),
  judgePort(facts)
]

const judgeNode = (version: string): Finding => {
  const mend = "run Sluice by npm or npx in its folder, which bring the Node.js that it is tested on"
  if (!isAtLeast(version, "22.18")) return problem("node", `${version} does not run TypeScript and has no SQLite`, mend)
  return version.split(".")[0] === major
    ? ok("node", `${version} is what Sluice is tested on`)
    : warning("node", `${version} is not the release that Sluice is tested on (${major})`, mend)
}

const judgeOpenFiles = (limit: number | undefined): Finding => {
  if (limit === undefined) return ok("open files", "no limit is told")
  const means = `${limit} at once, and everybody who listens or keeps a connection takes one`
  const mend = "ulimit -n 65536, LimitNOFILE=65536 in the systemd unit, or --ulimit nofile=65536 for a container"
  if (limit < 1024) return problem("open files", `${limit} at once: fewer than a few hundred users need`, mend)
  return limit < 16_384 ? warning("open files", means, mend) : ok("open files", `${limit} at once`)
}

const judgePort = ({ atPort, host, port }: HostFacts): Finding => {
  const at = `${host}:${port}`
  const mend = "set SLUICE_PORT to another one"
  switch (atPort) {
    case "free":
      return ok("port", port === 0 ? "any free one is taken" : `${at} is free`)
    case "sluice":
      return ok("port", `a Sluice serves at ${at}`)
    case "other":
      return problem("port", `something else than Sluice listens at ${at}`, `${mend}, or end what listens there`)
    default:
      return problem(
        "port",
        `${at} can't be listened at: ${atPort.refused}`,
        `${mend}, or SLUICE_HOST to an address of this host`
      )
  }
}

const listen = (host: string, port: number) =>
  Effect.callback<string | undefined>((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code ?? error.message)))
    server.listen(port, host.replace(/^\[(.*)\]$/, "$1"), () => server.close(() => resume(Effect.succeed(undefined))))
  })

const isSluice = (host: string, port: number) =>
  Effect.promise(async (signal) => {
    const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host
    try {
      const answer = await fetch(`http://${reachable}:${port}/metrics`, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(2000)])
      })
      return (await answer.text()).includes("sluice_")
    } catch {
      return false
    }
  })

const openFilesOf = (): number | undefined => {
  const { userLimits } = Object.assign(process.report, { excludeNetwork: true }).getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } }
  }
  const limit = Number(userLimits?.open_files?.soft)
  return Number.isFinite(limit) ? limit : undefined
}

export const examineHost = Effect.fnUntraced(function* ({ host, port }: Pick<Settings, "host" | "port">) {
  const refused = yield* listen(host, port)
  const atPort =
    refused === undefined ? "free" : refused === "EADDRINUSE" ? ((yield* isSluice(host, port)) ? "sluice" : "other") : { refused }
  return judgeHost({ node: process.versions.node, openFiles: openFilesOf(), host, port, atPort })
})
