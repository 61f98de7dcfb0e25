/**
 * What every layer of the waiting room keeps, rule by rule. Each rule has a campaign of its own, so rooms that stand already do not
 * matter.
 */
import { layer as suite } from "@effect/vitest"
import type { WaitingRoom } from "@sluice/waiting-room"
import type { Layer } from "effect"
import { describe } from "vitest"
import { admissionRules } from "./waitingRoomAdmission.ts"
import type { Engine } from "./waitingRoomKit.ts"
import { placesRules } from "./waitingRoomPlaces.ts"
import { rebuildRules } from "./waitingRoomRebuild.ts"
import { winsRules } from "./waitingRoomWins.ts"

export type { Engine } from "./waitingRoomKit.ts"

export const waitingRoomSuite = <R, E>(name: string, layer: Layer.Layer<WaitingRoom | R, E>, engine: Engine<R>) => {
  suite(layer, { excludeTestServices: !engine.isVirtual })(`WaitingRoom: ${name}`, (it) => {
    describe("places", () => placesRules(it, engine))
    describe("admission", () => admissionRules(it, engine))
    describe("wins", () => winsRules(it, engine))
    describe("rebuilding", () => rebuildRules(it, engine))
  })
}
