/** What `sluice doctor` says of one thing: how it is, what that means, and how to mend it. */

export type State = "ok" | "warning" | "problem"

export interface Finding {
  /** The engine, `host` or `settings`. */
  readonly about: string
  readonly check: string
  readonly state: State
  /** One sentence. */
  readonly means: string
  /** The command or setting that mends it; of everything that is not ok. */
  readonly mend?: string
}

/** Findings of one engine. */
export const findings = (about: string) => ({
  ok: (check: string, means: string): Finding => ({ about, check, state: "ok", means }),
  warning: (check: string, means: string, mend: string): Finding => ({ about, check, state: "warning", means, mend }),
  problem: (check: string, means: string, mend: string): Finding => ({ about, check, state: "problem", means, mend })
})

/** Whether a version such as `10.11.6-MariaDB-0+deb12u1` is at least `10.11`. */
export const isAtLeast = (version: string, least: string): boolean => {
  const numbers = (text: string) => (/\d+(\.\d+)*/.exec(text)?.[0] ?? "").split(".").map(Number)
  const [has, needs] = [numbers(version), numbers(least)]
  for (const [i, wanted] of needs.entries()) {
    if ((has[i] ?? 0) !== wanted) return (has[i] ?? 0) > wanted
  }
  return true
}

/** A server's clock against this host's, as far as the way there and back lets it be known. */
export interface Skew {
  readonly milliseconds: number
  readonly uncertaintyMs: number
}

export const skewOf = (serverMs: number, askedMs: number, answeredMs: number): Skew => ({
  milliseconds: serverMs - (askedMs + answeredMs) / 2,
  uncertaintyMs: (answeredMs - askedMs) / 2
})

const inSeconds = (ms: number) => `${(Math.abs(ms) / 1000).toFixed(1)} s`

/** Opening times, the age of tickets and the lag of consumers are told by more than one clock. */
export const judgeSkew = (about: string, { milliseconds, uncertaintyMs }: Skew): Finding => {
  const { ok, problem, warning } = findings(about)
  const certain = Math.max(0, Math.abs(milliseconds) - uncertaintyMs)
  if (certain <= 1000) return ok("clock", `its clock and this host's agree within ${inSeconds(Math.max(certain, 100))}`)
  const means = `its clock is ${inSeconds(milliseconds)} ${milliseconds > 0 ? "ahead of" : "behind"} this host's: opening times and the age of tickets differ with who looks`
  const mend = "on both hosts: timedatectl set-ntp true (or chronyd), then look again"
  return certain <= 10_000 ? warning("clock", means, mend) : problem("clock", means, mend)
}

/** What was tried for want of a way to ask for rights, and what became of it. */
export interface Refusal {
  readonly step: string
  readonly message: string
}

export const judgeRights = (about: string, tried: string, refusals: ReadonlyArray<Refusal>, mend: string): Finding => {
  const { ok, problem } = findings(about)
  if (refusals.length === 0) return ok("permissions", `${tried} worked, and was removed again`)
  const said = refusals.map(({ message, step }) => `${step} (${message})`).join("; ")
  return problem("permissions", `Sluice may not do what it must: ${said}`, mend)
}
