import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { HttpAddress } from "../http/Server.ts"
import * as Serving from "../Serving.ts"
import { readSettings, roles } from "../Settings.ts"
import { StartError } from "../StartError.ts"

export const settingsFlags = {
  roles: Flag.String("roles").pipe(
    Flag.optional,
    Flag.withDescription(`What this process does, of ${roles.join(",")} (SLUICE_ROLES; default all)`)
  ),
  port: Flag.Int("port").pipe(
    Flag.optional,
    Flag.withDescription("Where to listen; 0 takes a free port (SLUICE_PORT; default 8080)")
  ),
  host: Flag.String("host").pipe(Flag.optional, Flag.withDescription("Address to listen on (SLUICE_HOST; default 127.0.0.1)")),
  dataDir: Flag.String("data-dir").pipe(Flag.optional, Flag.withDescription("Folder for data (SLUICE_DATA_DIR; default .sluice)"))
}

interface Flags {
  readonly roles: Option.Option<string>
  readonly port: Option.Option<number>
  readonly host: Option.Option<string>
  readonly dataDir: Option.Option<string>
}

/** The environment, with what the command line says standing over it. */
export const settingsOf = (flags: Flags) =>
  readSettings(process.env, {
    ...(Option.isSome(flags.roles) ? { roles: flags.roles.value } : {}),
    ...(Option.isSome(flags.port) ? { port: flags.port.value } : {}),
    ...(Option.isSome(flags.host) ? { host: flags.host.value } : {}),
    ...(Option.isSome(flags.dataDir) ? { dataDir: flags.dataDir.value } : {})
  }).pipe(Effect.mapError((error) => new StartError({ message: error.message })))

export const serve = Command.make("serve", settingsFlags, (flags) =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(flags)
    yield* Effect.gen(function* () {
      const { url } = yield* HttpAddress
      yield* Console.error(`sluice serves ${settings.roles.join(", ")} at ${url}`)
      yield* Effect.never
    }).pipe(Effect.provide(Serving.layer(settings)))
  })
).pipe(
  Command.withDescription("Serve: any of the roles, on the engines that SLUICE_ENGINES names"),
  Command.withExamples([
    { command: "sluice serve", description: "Everything in one process, on the embedded engines" },
    {
      command: "SLUICE_ENGINES=cluster sluice serve --roles gateway --port 8081",
      description: "One more gateway on the real servers"
    }
  ])
)
