/**
 * A user joins a campaign and waits for the end. Killed and started again it goes on at the old place, since the ticket is in a file.
 *
 *     node packages/client/examples/join-and-wait.ts http://127.0.0.1:8080 demo me
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { joinAndWait, type TicketStorage } from "@sluice/client"

const [baseUrl = "http://127.0.0.1:8080", campaignId = "demo", userId = "me", folder = join(tmpdir(), "sluice-tickets")] =
  process.argv.slice(2)

const fileOf = (key: string) => join(folder, encodeURIComponent(key))
const storage: TicketStorage = {
  getItem: (key) => readFile(fileOf(key), "utf8").catch(() => null),
  setItem: async (key, value) => {
    await mkdir(folder, { recursive: true })
    await writeFile(fileOf(key), value, { mode: 0o600 })
  },
  removeItem: (key) => rm(fileOf(key), { force: true })
}

// Ctrl-C ends the waiting; the place is kept.
const stop = new AbortController()
process.once("SIGINT", () => stop.abort())

const outcome = await joinAndWait({
  baseUrl,
  campaignId,
  userId,
  storage,
  signal: stop.signal,
  onState: ({ etaSeconds, position, state }) => {
    if (state === "waiting") console.log(`place ${position}${etaSeconds === null ? "" : `, about ${Math.ceil(etaSeconds)} s`}`)
  },
  onTrouble: (error, waitMs) => console.error(`${error.message}; asking again in ${Math.round(waitMs)} ms`)
})

console.log(outcome.state === "issued" ? `issued: coupon ${outcome.code}, number ${outcome.serial}` : outcome.state)
