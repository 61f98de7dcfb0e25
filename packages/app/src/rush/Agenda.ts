/**
 * Wakes many at given times with one timer for all, a few milliseconds late at most: cheap where everybody in a crowd of 100,000 has a
 * next time to ask.
 */
const resolutionMs = 10

export class Agenda<A> {
  readonly #slots = new Map<number, Array<A>>()
  readonly #wake: (item: A) => void
  #timer: NodeJS.Timeout | undefined
  #done = Math.floor(performance.now() / resolutionMs)

  constructor(wake: (item: A) => void) {
    this.#wake = wake
  }

  in(ms: number, item: A): void {
    const slot = Math.max(this.#done + 1, Math.ceil((performance.now() + ms) / resolutionMs))
    const items = this.#slots.get(slot)
    if (items === undefined) this.#slots.set(slot, [item])
    else items.push(item)
    this.#timer ??= setInterval(() => this.#tick(), resolutionMs)
  }

  clear(): void {
    this.#slots.clear()
    this.#rest()
  }

  #rest() {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick() {
    const now = Math.floor(performance.now() / resolutionMs)
    // After a long pause it is cheaper to look at the slots there are than at each one that passed.
    const due =
      now - this.#done > this.#slots.size
        ? [...this.#slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
        : Array.from({ length: now - this.#done }, (_, i) => this.#done + 1 + i)
    this.#done = now
    for (const slot of due) {
      const items = this.#slots.get(slot)
      this.#slots.delete(slot)
      for (const item of items ?? []) this.#wake(item)
    }
    if (this.#slots.size === 0) this.#rest()
  }
}
