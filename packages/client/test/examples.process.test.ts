import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { adminKey, call, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const folder = mkdtempSync(join(tmpdir(), "sluice-examples-"))
let sluice: SluiceProcess

beforeAll(async () => {
  sluice = await startSluice({ env: { SLUICE_DATA_DIR: join(folder, "data") } })
})
afterAll(async () => {
  await stopAll()
  rmSync(folder, { recursive: true, force: true })
})

const example = async (name: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const file = fileURLToPath(new URL(`../examples/${name}.ts`, import.meta.url))
  const env = { ...process.env, SLUICE_ADMIN_KEY: adminKey }
  const { stdout } = await promisify(execFile)(process.execPath, [file, sluice.url, ...args], { env })
  return stdout
}

describe("the examples", () => {
  it("join-and-wait: waits for the coupon, and run again it shows the same one", async () => {
    await call(`${sluice.url}/campaigns`, "POST", { id: "demo", name: "Demo", stock: 2, ratePerSecond: 10, paused: true }, true)
    const opening = new Promise((resolve) => setTimeout(resolve, 1500)).then(() =>
      call(`${sluice.url}/campaigns/demo`, "PATCH", { paused: false }, true)
    )
    const args = ["demo", "me", join(folder, "tickets")]
    const told = await example("join-and-wait", ...args)
    await opening
    assert.match(told, /^place 1.*\n(place 1.*\n)*issued: coupon [0-9A-Z-]{19}, number 1\n$/)
    assert.strictEqual(await example("join-and-wait", ...args), told.slice(told.indexOf("issued")))
  })

  it("order: placed, read back by its version, paid, refused, listed", async () => {
    const lines = (await example("order")).trim().split("\n")
    assert.deepStrictEqual(lines.slice(0, 4), [
      "placed for 2500",
      "placed: 2 x Green tea, 100 g for Ada Byron",
      "paid in version 2",
      "refused: The order is paid."
    ])
    assert.match(lines[4]!, /^paid: [0-9a-z]+ 2500$/)
    assert.lengthOf(lines, 5)
  })

  it("effect: a campaign made, joined, won; a second run finds it there", async () => {
    assert.strictEqual(await example("effect"), "From Effect: 3 of 3\nissued\n1 coupon of effect\n")
    assert.strictEqual(await example("effect"), "From Effect: 2 of 3\nissued\n1 coupon of effect\n")
  })
})
