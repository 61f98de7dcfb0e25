/** The order view built anew in a process that is killed at every point, while orders come in. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, describe, it } from "vitest"
import { caughtUp, generations, place, post, rebuild, selling, shop, verified } from "./orders-rebuild-kit.ts"

afterEach(stopAll)

describe("the order view built anew, embedded", () => {
  const points = ["rebuild.created", "rebuild.named", "rebuild.copied", "rebuild.compared", "rebuild.switched"]
  for (const point of points) {
    it(`a process that dies at ${point}: readers have every order, and the next rebuild ends it`, async () => {
      const env = { SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-")) }
      const dying = await startSluice({ env: { ...env, SLUICE_CRASH_AT: point } })
      await shop(dying.url)
      const before = await place(dying.url, 100)
      const sold = selling(dying.url)
      await post(dying.url, "rebuild").catch(() => undefined)
      assert.strictEqual(await dying.ended, "SIGKILL")
      const during = await sold.stop()

      const { url } = await startSluice({ env })
      const all = [...before, ...during]
      await caughtUp(url)
      const left = await generations(url)
      assert.strictEqual(left.live, point === "rebuild.switched" ? 1 : 0)
      assert.strictEqual(left.former, point === "rebuild.switched" ? 0 : null)
      const after = selling(url)
      const report = await rebuild(url)
      const later = await after.stop()
      assert.strictEqual(report.rebuild?.state, "done")
      assert.deepInclude(report, point === "rebuild.switched" ? { live: 2, former: 1 } : { live: 1, former: 0 })
      await caughtUp(url)
      const whole = await verified(url)
      assert.deepInclude(whole, { differing: 0, onlyInView: 0 })
      assert.isAtLeast(whole.checked, all.length + later.length)
    })
  }
})
