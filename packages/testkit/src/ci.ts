/** Under CI nothing is skipped: what a test needs and can't have is a failure. */
import { findProgram, StackError } from "./stack/processes.ts"

export const isCi = (): boolean => !["", "0", "false", undefined].includes(process.env.CI)

/** Programs that tests run where they are there, and the Debian package of each. */
export const programs = {
  fish: "fish",
  java: "default-jre-headless",
  openssl: "openssl",
  script: "bsdutils",
  zsh: "zsh"
} as const

/** Whether a program is there; under CI a missing one is an error. */
export const hasProgram = (name: keyof typeof programs): boolean => {
  if (findProgram(name) !== undefined) return true
  if (isCi()) throw new StackError(`CI needs ${name}, which is not installed`, `apt-get install -y ${programs[name]}`)
  return false
}
