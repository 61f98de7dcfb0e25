/**
 * The processes of a measurement. They end with the bench, however it ends.
 */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"

const children = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))

export const follow = (child: ChildProcess): Promise<void> => {
  children.add(child)
  return once(child, "exit").then(() => {
    children.delete(child)
  })
}

export const stop = async (child: ChildProcess, ended: Promise<void>) => {
  child.kill("SIGTERM")
  const forced = setTimeout(() => child.kill("SIGKILL"), 10_000)
  await ended
  clearTimeout(forced)
}
