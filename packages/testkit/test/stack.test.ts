import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "@sluice/testkit/stack/checkout"
import { servers } from "@sluice/testkit/stack/index"
import { properties } from "@sluice/testkit/stack/kafka"
import { cached, systemProgram, tool } from "@sluice/testkit/stack/packages"
import { end, freePort, isRunning, launch, run, StackError, signal } from "@sluice/testkit/stack/processes"
import { afterAll, afterEach, assert, describe, it, vi } from "vitest"

const work = mkdtempSync(join(tmpdir(), "sluice-stack-"))
afterAll(() => rmSync(work, { recursive: true }))
afterEach(() => vi.unstubAllEnvs())

const silent = () => {}
const failureOf = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error) => error
  )

describe("addresses", () => {
  it.each([
    ["mariadb", "mysql://u:p%40ss@db.example:3307/sluice", ["db.example:3307"]],
    ["mariadb", "mariadb://u:p@db.example/sluice", ["db.example:3306"]],
    ["redis", "redis://:secret@10.0.0.1:7000,redis://10.0.0.2", ["10.0.0.1:7000", "10.0.0.2:6379"]],
    ["kafka", "k1:9092, [::1]:9093", ["k1:9092", "::1:9093"]],
    ["mongodb", "mongodb://u:p@m1:27017,m2:27018/sluice?replicaSet=rs0", ["m1:27017", "m2:27018"]],
    ["mongodb", "mongodb+srv://cluster.example/sluice", []]
  ] as const)("of %s in %s", (name, value, expected) => {
    assert.deepStrictEqual(
      servers[name].addressesOf(value).map(({ host, port }) => `${host}:${port}`),
      [...expected]
    )
  })
})

describe("Kafka's properties", () => {
  it("say any path in ASCII, as Java reads it", () => {
    const record = { source: "native", port: 1, controllerPort: 2, password: "" } as const
    const text = properties(record, "/h/sp ace ümlaut 🎉\\x")
    assert.include(text, "\nlog.dirs=/h/sp ace \\u00fcmlaut \\ud83c\\udf89\\\\x\n")
  })
})

describe("containers", () => {
  it("are of the versions that run natively", () => {
    const compose = readFileSync(join(root, "docker-compose.yml"), "utf8")
    for (const image of ["mariadb:10\\.11\\.\\d+", "redis:7\\.0\\.\\d+", "apache/kafka:4\\.1\\.0", "mongo:6\\.0\\.5"]) {
      assert.match(compose, new RegExp(`image: ${image}\n`))
    }
  })
})

describe("processes", () => {
  it("outlive nothing: one that ignores SIGTERM is killed, and a paused one ends too", async () => {
    const log = join(work, "stubborn.log")
    const stubborn = await launch({ program: "sh", args: ["-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"] }, log)
    const paused = await launch({ program: "sleep", args: ["60"] }, join(work, "paused.log"))
    await vi.waitUntil(() => readFileSync(log, "utf8") === "up\n", { timeout: 10_000 })
    signal(paused, "SIGSTOP")
    await Promise.all([end(stubborn, "SIGTERM", 200), end(paused)])
    assert.isFalse(isRunning(stubborn))
    assert.isFalse(isRunning(paused))
  })

  it("of somebody else under a recycled id are neither ours nor signalled", async () => {
    const ours = await launch({ program: "sleep", args: ["60"] }, join(work, "ours.log"))
    const before = { ...ours, start: "1" }
    assert.isFalse(isRunning(before))
    await end(before, "SIGKILL")
    assert.isTrue(isRunning(ours))
    await end(ours, "SIGKILL")
  })

  it("that fail give their last words", async () => {
    const { message } = await failureOf(run({ program: "sh", args: ["-c", "echo why >&2; exit 3"] }))
    assert.match(message, /ended with 3\n {2}\| why$/)
  })

  it("keep their port unless somebody else has it, and never get one that a client could be given", async () => {
    const port = await freePort()
    assert.strictEqual(await freePort(port), port)
    assert.isBelow(port, 32_768)
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve))
    assert.notStrictEqual(await freePort(port), port)
    await new Promise((resolve) => other.close(resolve))
  })
})

describe("what is missing", () => {
  it("is named with the command that mends it", async () => {
    vi.stubEnv("PATH", work)
    assert.throws(
      () => tool(["mvn"], "it downloads the jars of Kafka", ["maven"]),
      /mvn is missing.*\n {2}fix: apt-get update && .* maven$/
    )
    const { message } = await failureOf(systemProgram("no-such-server", "NoSuch", ["no-such-package"], silent))
    assert.match(message, /^NoSuch is not installed \(no no-such-server\).*\n {2}fix: .*no-such-package/)
  })
})

describe("downloads", () => {
  const sums = new Map([["a.jar", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"]])
  const writing =
    (...files: ReadonlyArray<readonly [string, string]>) =>
    async (directory: string) => {
      for (const [file, text] of files) writeFileSync(join(directory, file), text)
    }
  const never = () => assert.fail("it was downloaded again")

  it("are made once, and again only where a file was changed", async () => {
    vi.stubEnv("XDG_CACHE_HOME", join(work, "cache"))
    const directory = await cached("kept", sums, writing(["a.jar", "a"]), silent)
    assert.strictEqual(await cached("kept", sums, never, silent), directory)
    writeFileSync(join(directory, "a.jar"), "b")
    assert.strictEqual(await cached("kept", sums, writing(["a.jar", "a"]), silent), directory)
    assert.strictEqual(readFileSync(join(directory, "a.jar"), "utf8"), "a")
  })

  it.each([
    ["changed", writing(["a.jar", "b"]), /a.jar has the SHA-256 sum 3e23/],
    ["incomplete", writing(), /a.jar is missing/],
    ["more than was asked for", writing(["a.jar", "a"], ["b.jar", "b"]), /b.jar is not on the list/]
  ] as const)("that are %s are not used", async (_, download, reason) => {
    vi.stubEnv("XDG_CACHE_HOME", join(work, "refused"))
    const error = await failureOf(cached("refused", sums, download, silent))
    assert.instanceOf(error, StackError)
    assert.match(error.message, reason)
    await failureOf(cached("refused", sums, download, silent))
  })

  it("are kept in the checkout where the user's cache can't be written", async () => {
    const told: Array<string> = []
    const name = `test-${process.pid}`
    writeFileSync(join(work, "file"), "")
    vi.stubEnv("XDG_CACHE_HOME", join(work, "file"))
    const directory = await cached(name, sums, writing(["a.jar", "a"]), (line) => told.push(line))
    try {
      assert.strictEqual(directory, join(root, ".sluice/cache", name))
      assert.match(told.join(), /can't be written \(ENOTDIR\)/)
      assert.strictEqual(await cached(name, sums, never, silent), directory)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it("that two make at once are made by both, and kept once", async () => {
    vi.stubEnv("XDG_CACHE_HOME", join(work, "both"))
    const made = await Promise.all([1, 2].map(() => cached("both", sums, writing(["a.jar", "a"]), silent)))
    assert.strictEqual(made[0], made[1])
    assert.strictEqual(await cached("both", sums, never, silent), made[0])
  })
})
