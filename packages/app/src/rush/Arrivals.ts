/**
 * When each user of a crowd arrives: independently of the others and of the answers (an open model), `perSecond` on average. The same
 * seed gives the same arrivals.
 */

/** A uniform number in [0, 1) at each call (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The next arrival at each call, in milliseconds from the start; never before the one before it. */
export const arrivals = (seed: number, perSecond: number): (() => number) => {
  const uniform = random(seed)
  let atMs = 0
  return () => {
    atMs += (-Math.log(1 - uniform()) * 1000) / perSecond
    return atMs
  }
}
