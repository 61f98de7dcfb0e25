/** The table of contents of the command line: commands that talk to a running Sluice. */
import { campaign } from "./campaign.ts"
import { dlq } from "./dlq.ts"
import { rush } from "./rush.ts"

export { Exit, run } from "./run.ts"

export const subcommands = [campaign, rush, dlq] as const
