/** Scenario 1: a load that is killed half-way, and started again by the same command. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { count } from "../commands/Output.ts"
import type { Seen } from "./Demo.ts"
import { progress } from "./Screen.ts"
import { DemoFailure, type Stage } from "./Stage.ts"

const tries = 3

interface LoadEvent {
  readonly event: string
  readonly rows: number
  readonly rowsPerSecond?: number
  readonly verification?: { readonly outcome: string }
}

export const load = async (stage: Stage, rows: number): Promise<ReadonlyArray<Seen>> => {
  const { folder, query, screen, sluice } = stage
  screen.title(`Bulk load: ${count(rows)} rows into a table, killed half-way and started again`)
  const file = join(folder, "load.db")
  const argsOf = (table: string) =>
    `load ${table} --generate people --rows ${rows} --chunk-rows 5000 --database ${file} --json`.split(" ")
  const stored = (table: string) => query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`, file)[0]!.n

  const create = (table: string) => {
    const db = new DatabaseSync(file)
    db.exec(
      `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, age INTEGER NOT NULL, created_at TEXT NOT NULL)`
    )
    db.close()
  }

  /** A fast disk may be done before the signal arrives; then it is tried on another table. */
  const killed = async (attempt = 1): Promise<{ readonly table: string; readonly kept: number }> => {
    const table = `people_${attempt}`
    create(table)
    const child = sluice(argsOf(table), (line) => {
      const { event, rows: reached } = JSON.parse(line) as LoadEvent
      if (event !== "progress") return
      screen.live(progress(reached / rows, `${count(reached)} of ${count(rows)} rows`))
      if (reached >= rows / 2) void child.kill("SIGKILL")
    })
    const end = await child.ended
    const kept = stored(table)
    if (end === "SIGKILL" && kept > 0 && kept < rows) return { table, kept }
    if (end !== 0 && end !== "SIGKILL") throw new DemoFailure(`sluice load ended with ${end}: ${child.errors().trim()}`)
    if (attempt === tries) throw new DemoFailure("the load was always done before it could be killed; try --rows with more")
    return killed(attempt + 1)
  }

  const { kept, table } = await killed()
  screen.step(`killed by SIGKILL: ${count(kept)} rows are in the table`)
  const events: Array<LoadEvent> = []
  const again = sluice(argsOf(table), (line) => {
    const event = JSON.parse(line) as LoadEvent
    events.push(event)
    if (event.event === "progress") screen.live(progress(event.rows / rows, `${count(event.rows)} of ${count(rows)} rows`))
  })
  const end = await again.ended
  if (end !== 0) throw new DemoFailure(`sluice load, started again, ended with ${end}: ${again.errors().trim()}`)
  const resumedAt = events.find(({ event }) => event === "progress")?.rows ?? 0
  const [found] = query<{ n: number; people: number; first: number; last: number }>(
    `SELECT COUNT(*) AS n, COUNT(DISTINCT email) AS people, MIN(number) AS first, MAX(number) AS last FROM
      (SELECT email, CAST(SUBSTR(email, 7) AS INTEGER) AS number FROM ${table})`,
    file
  )
  const { first, last, n, people } = found!
  const outcome = events.find(({ event }) => event === "summary")?.verification?.outcome
  screen.step(`started again: it went on at row ${count(resumedAt)}, and ${count(n)} rows are in the table`)
  return [
    {
      scenario: "bulk load",
      promise: `each of ${count(rows)} rows is in the table once`,
      seen: `${count(n)} rows, ${count(people)} different, after a SIGKILL at ${count(kept)}`,
      kept: n === rows && people === rows && first === 0 && last === rows - 1
    },
    {
      scenario: "bulk load",
      promise: "it goes on where the last commit was",
      seen: `${count(kept)} rows were kept, and it went on at ${count(resumedAt)}`,
      kept: resumedAt === kept
    },
    {
      scenario: "bulk load",
      promise: "the table holds what was sent",
      seen: `checksum of the table: ${outcome ?? "not compared"}`,
      kept: outcome === "equal"
    }
  ]
}
