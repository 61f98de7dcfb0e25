/**
 * Gets the programs of the native servers: Debian's packages where this may install them, and downloads kept for the next checkout.
 *
 * A download is used only while its files are exactly those of its list of SHA-256 sums, looked at anew each time.
 */

import { hash } from "node:crypto"
import { existsSync } from "node:fs"
import { access, constants, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { root } from "./checkout.ts"
import { findProgram, run, StackError } from "./processes.ts"

export type Tell = (line: string) => void

export const installCommand = (packages: ReadonlyArray<string>) =>
  `apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")}`

let installing: Promise<unknown> = Promise.resolve()

/** Installs Debian packages, one call at a time. Only root may; anybody else is told the command. */
export const installPackages = (purpose: string, packages: ReadonlyArray<string>, tell: Tell): Promise<void> => {
  const install = async () => {
    if (findProgram("apt-get") === undefined) {
      throw new StackError(
        `${purpose}, and there is no apt-get`,
        `install what Debian calls ${packages.join(", ")}, or start Docker`
      )
    }
    if (process.getuid?.() !== 0) throw new StackError(purpose, `sudo sh -c '${installCommand(packages)}'`)
    tell(`${purpose}: installing ${packages.join(", ")}`)
    await withoutServices(async () => {
      await apt(["update"])
      await apt(["install", "-y", "--no-install-recommends", ...packages])
    })
  }
  const installed = installing.then(install)
  installing = installed.catch(() => {})
  return installed
}

const apt = (args: ReadonlyArray<string>) =>
  run({
    program: "apt-get",
    args: ["-q", "-o", "DPkg::Lock::Timeout=600", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" }
  })

const policy = "/usr/sbin/policy-rc.d"

/** Debian starts a service as soon as it is installed, unless a policy forbids it: nothing of ours runs as a service. */
const withoutServices = async (install: () => Promise<void>): Promise<void> => {
  if (existsSync(policy)) return install()
  await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    await install()
  } finally {
    await rm(policy, { force: true })
  }
}

/** The path of a program, which is installed when it is missing. */
export const systemProgram = async (
  name: string,
  title: string,
  packages: ReadonlyArray<string>,
  tell: Tell
): Promise<string> => {
  const found = findProgram(name)
  if (found !== undefined) return found
  const problem = `${title} is not installed (no ${name})`
  await installPackages(problem, packages, tell)
  const installed = findProgram(name)
  if (installed === undefined) throw new StackError(`${problem}, not even after ${installCommand(packages)}`)
  return installed
}

/** The path of a tool that this does not install by itself. */
export const tool = (alternatives: ReadonlyArray<string>, purpose: string, packages: ReadonlyArray<string>): string => {
  for (const name of alternatives) {
    const found = findProgram(name)
    if (found !== undefined) return found
  }
  throw new StackError(`${alternatives.join(" or ")} is missing: ${purpose}`, installCommand(packages))
}

/** SHA-256 sums by file name. */
export type Sums = ReadonlyMap<string, string>

export const sumOf = async (file: string) => hash("sha256", await readFile(file), "hex")

const differenceTo = async (sums: Sums, directory: string): Promise<string | undefined> => {
  const files = await readdir(directory)
  const extra = files.find((file) => !sums.has(file))
  if (extra !== undefined) return `${extra} is not on the list`
  for (const [file, sum] of sums) {
    if (!files.includes(file)) return `${file} is missing`
    const actual = await sumOf(join(directory, file))
    if (actual !== sum) return `${file} has the SHA-256 sum ${actual}, not ${sum}`
  }
  return undefined
}

/** The user's, or where that can't be written the checkout's own. */
const cacheFor = async (name: string, tell: Tell): Promise<string> => {
  const ofUser = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sluice")
  if (existsSync(join(ofUser, name))) return ofUser
  try {
    await mkdir(ofUser, { recursive: true })
    await access(ofUser, constants.W_OK)
    return ofUser
  } catch (error) {
    const own = join(root, ".sluice/cache")
    tell(`${ofUser} can't be written (${(error as NodeJS.ErrnoException).code}): ${name} is kept in ${own}`)
    await mkdir(own, { recursive: true })
    return own
  }
}

/** The folder with exactly the files of `sums`, from the user's cache, else by `download` into a folder that it is given. */
export const cached = async (
  name: string,
  sums: Sums,
  download: (directory: string) => Promise<void>,
  tell: Tell
): Promise<string> => {
  const kept = join(await cacheFor(name, tell), name)
  if (existsSync(kept)) {
    const difference = await differenceTo(sums, kept)
    if (difference === undefined) return kept
    tell(`${kept}: ${difference}; downloading it again`)
    await rm(kept, { recursive: true, force: true })
  }
  const fresh = await mkdtemp(`${kept}.`)
  try {
    await download(fresh)
    const difference = await differenceTo(sums, fresh)
    if (difference !== undefined) throw new StackError(`The download of ${name} can't be trusted: ${difference}`)
    await rename(fresh, kept).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error // another checkout was faster, with the same files
    })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return kept
}
