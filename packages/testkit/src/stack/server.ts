import type { Name, Record } from "./checkout.ts"
import type { Tell } from "./packages.ts"
import type { Command } from "./processes.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

/** What there is to know about one of the four servers. */
export interface Server {
  readonly name: Name
  readonly title: string
  /** The environment variable that says where it is. */
  readonly variable: string
  /** The variable's value for a server of this checkout. */
  readonly valueOf: (record: Record) => string
  /** Where a value of the variable points, as far as it can be told without asking. */
  readonly addressesOf: (value: string) => ReadonlyArray<Address>
  /** The version, from a server that truly serves; rejects as long as it does not. */
  readonly ask: (record: Record) => Promise<string>
  /** Installs the program and makes the data folder, where they are missing; gives the command that serves in the foreground. */
  readonly prepare: (record: Record, tell: Tell) => Promise<Command>
}

/** The addresses in a URL, or in a bare list of hosts. */
export const addressesOfUrl =
  (defaultPort: number) =>
  (value: string): ReadonlyArray<Address> =>
    value
      .replace(/^[^:]+:\/\//, "")
      .replace(/[/?].*$/, "")
      .replace(/^.*@/, "")
      .split(",")
      .map((part) => {
        const [, host = part, port] = /^(.*?)(?::(\d+))?$/.exec(part.trim()) ?? []
        return { host: host.replace(/^\[|\]$/g, ""), port: Number(port ?? defaultPort) }
      })
