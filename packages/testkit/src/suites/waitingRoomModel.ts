/**
 * The waiting room as one would explain it: a list, a set of wins, and the issuances beside it. It predicts every answer of the real one
 * except how many may pass at a moment.
 */

import { assert } from "@effect/vitest"
import { type Campaign, type CampaignCounters, generationOf, placesPerGeneration } from "@sluice/domain"
import type { Place, Standing, Win } from "@sluice/waiting-room"

interface Known extends Win {
  state: "pending" | "issued" | "dead"
}

/** A win as it lies in the log, with the generation of the room that gave it. */
export interface Published extends Win {
  readonly generation: number
}

export class Model {
  campaign: Campaign
  /** Who waits, in order. */
  waiting: ReadonlyArray<Place> = []
  readonly wins = new Map<string, Known>()
  /** What is committed, by serial: the authority. */
  readonly issuances = new Map<number, Win>()
  /** Serials below `nextSerial` that nobody has. */
  free: ReadonlyArray<number> = []
  nextSerial = 1
  nextSeq: number

  constructor(campaign: Campaign) {
    this.campaign = campaign
    this.nextSeq = campaign.generation * placesPerGeneration + 1
  }

  get remaining() {
    return this.campaign.stock - this.nextSerial + 1 + this.free.length
  }

  get counters(): CampaignCounters {
    const count = (state: Known["state"]) => [...this.wins.values()].filter((win) => win.state === state).length
    return {
      stock: this.campaign.stock,
      remaining: this.remaining,
      waiting: this.waiting.length,
      issuing: count("pending"),
      issued: count("issued"),
      dead: count("dead")
    }
  }

  place(userId: string): Place | undefined {
    return this.waiting.find((place) => place.userId === userId)
  }

  private put({ seq, userId }: Place) {
    this.drop(userId)
    this.waiting = [...this.waiting, { userId, seq }].sort((a, b) => a.seq - b.seq)
  }

  private drop(userId: string) {
    this.waiting = this.waiting.filter((place) => place.userId !== userId)
  }

  private stands(userId: string, isNew = false): Standing {
    const ahead = this.waiting.findIndex((place) => place.userId === userId)
    return { state: "waiting", seq: this.waiting[ahead]!.seq, position: ahead + 1, isNew }
  }

  private wonBy(userId: string): Standing | undefined {
    const win = this.wins.get(userId)
    return win && { state: "won", seq: win.seq, serial: win.serial }
  }

  join(users: ReadonlyArray<string>): ReadonlyArray<Standing> {
    return users.map((userId) => {
      const won = this.wonBy(userId)
      if (won) return won
      if (this.remaining === 0) return { state: "sold_out" }
      if (this.place(userId)) return this.stands(userId)
      if (this.waiting.length >= (this.campaign.maxWaiting ?? Number.POSITIVE_INFINITY)) return { state: "full" }
      this.put({ userId, seq: this.nextSeq++ })
      return this.stands(userId, true)
    })
  }

  restore(places: ReadonlyArray<Place>) {
    for (const place of places) {
      const current = this.place(place.userId)
      if (!this.wins.has(place.userId) && (!current || place.seq < current.seq)) this.put(place)
    }
  }

  look(tickets: ReadonlyArray<Place>): ReadonlyArray<Standing> {
    this.restore(tickets.filter(({ seq }) => generationOf(seq) < this.campaign.generation))
    return tickets.map(({ seq, userId }) => {
      const won = this.wonBy(userId)
      if (won) return won
      const place = this.place(userId)
      if (place?.seq !== seq) return { state: "left" }
      return this.remaining === 0 ? { state: "sold_out" } : this.stands(userId)
    })
  }

  leave(tickets: ReadonlyArray<Place>) {
    this.waiting = this.waiting.filter(
      (place) => !tickets.some(({ seq, userId }) => seq === place.seq && userId === place.userId)
    )
  }

  /** These have passed: they must be the head, and have the lowest serials. */
  admitted(wins: ReadonlyArray<Win>) {
    for (const win of wins) {
      const [head, ...rest] = this.waiting
      assert.isAbove(this.remaining, 0, "a serial above the stock")
      const [lowest = this.nextSerial, ...others] = this.free
      assert.deepStrictEqual(win, { ...head!, serial: lowest }, "not the head, or not the lowest serial")
      assert.isFalse(this.wins.has(win.userId), "won twice")
      assert.isFalse(this.issuances.has(win.serial), "a serial that is issued already")
      if (this.free.length > 0) this.free = others
      else this.nextSerial++
      this.waiting = rest
      this.wins.set(win.userId, { ...win, state: "pending" })
    }
  }

  /** Commits it, as the issuer does, unless it is of a fenced generation. */
  issue(win: Published): boolean {
    if (win.generation < this.campaign.generation) return false
    const { serial, userId, seq } = win
    const issued = this.issuances.get(serial)
    if (issued) assert.strictEqual(issued.userId, userId, "one serial for two users")
    else {
      assert.isFalse(
        [...this.issuances.values()].some((other) => other.userId === userId),
        "one user with two coupons"
      )
      this.issuances.set(serial, { serial, userId, seq })
    }
    assert.isAtMost(this.issuances.size, this.campaign.stock)
    assert.isTrue(serial >= 1 && serial <= this.campaign.stock, "serial within 1..stock")
    return true
  }

  settle(issued: ReadonlyArray<Win>, dead: ReadonlyArray<Win> = []) {
    for (const { userId } of issued) this.wins.get(userId)!.state = "issued"
    for (const { serial, userId } of dead) {
      const win = this.wins.get(userId)
      if (win?.serial === serial && win.state === "pending") win.state = "dead"
    }
  }

  unsettled(): ReadonlyArray<Win> {
    return [...this.wins.values()]
      .filter(({ state }) => state === "pending")
      .map(({ serial, seq, userId }) => ({ serial, seq, userId }))
      .sort((a, b) => a.serial - b.serial)
  }

  /** Serials below the highest issued one that nobody has. */
  holes(): ReadonlyArray<number> {
    const highest = Math.max(0, ...this.issuances.keys())
    return Array.from({ length: highest }, (_, i) => i + 1).filter((serial) => !this.issuances.has(serial))
  }

  rebuilt(isLost: boolean) {
    const issuances = [...this.issuances.values()]
    const hasCoupon = (userId: string) => issuances.some((issued) => issued.userId === userId)
    const waiting = isLost ? [] : [...this.waiting, ...[...this.wins.values()].map(({ seq, userId }) => ({ userId, seq }))]
    this.waiting = waiting.filter(({ userId }) => !hasCoupon(userId)).sort((a, b) => a.seq - b.seq)
    this.wins.clear()
    for (const win of issuances) this.wins.set(win.userId, { ...win, state: "issued" })
    this.free = this.holes()
    this.nextSerial = Math.max(0, ...this.issuances.keys()) + 1
    this.nextSeq = this.campaign.generation * placesPerGeneration + 1
  }
}
