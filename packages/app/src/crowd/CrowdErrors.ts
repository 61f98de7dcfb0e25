import { Data } from "effect"

export class CrowdRunning extends Data.TaggedError("CrowdRunning")<{ readonly crowd: string }> {}

export class CrowdNotFound extends Data.TaggedError("CrowdNotFound")<{ readonly crowd: string }> {}
