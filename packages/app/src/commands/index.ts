/** The table of contents of the command line. A command is loaded when it is named: `sluice load` needs no HTTP server to start. */
const loaders = {
  start: async () => (await import("./start.ts")).start,
  serve: async () => (await import("./serve.ts")).serve,
  campaign: async () => (await import("./campaign.ts")).campaign,
  rush: async () => (await import("./rush.ts")).rush,
  dlq: async () => (await import("./dlq.ts")).dlq,
  orders: async () => (await import("./orders.ts")).orders,
  load: async () => (await import("./load.ts")).load,
  demo: async () => (await import("./demo.ts")).demo,
  doctor: async () => (await import("./doctor.ts")).doctor
}

type Loaders = typeof loaders
export type Subcommand = { [Name in keyof Loaders]: Awaited<ReturnType<Loaders[Name]>> }[keyof Loaders]

const isCommand = (name: string | undefined): name is keyof Loaders => name !== undefined && Object.hasOwn(loaders, name)

/** The one that is named, else all: to list them, to say which was meant, or to complete them. */
export const subcommandsFor = (argv: ReadonlyArray<string>): Promise<ReadonlyArray<Subcommand>> => {
  const [name] = argv
  const completes = argv.some((word) => word.startsWith("--completions"))
  return Promise.all((isCommand(name) && !completes ? [loaders[name]] : Object.values(loaders)).map((load) => load()))
}
