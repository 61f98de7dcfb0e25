/**
 * Numbers for generated rows: those of row i are a function of the seed and i alone, so any part can be made again.
 *
 * Counter-based: a Weyl sequence through lowbias32 (https://github.com/skeeto/hash-prospector), keyed by 64 bits of seed and row. Good
 * enough for test data, and for nothing that must not be guessed.
 */
const golden = 0x9e3779b9

const mix = (n: number): number => {
  let h = n ^ (n >>> 16)
  h = Math.imul(h, 0x21f0aaad)
  h ^= h >>> 15
  h = Math.imul(h, 0x735a2d97)
  return h ^ (h >>> 15)
}

const upper = (n: number) => Math.floor(n / 2 ** 32) | 0

export class Random {
  readonly #low: number
  readonly #high: number
  #a = 0
  #b = 0
  #counter = 0

  constructor(seed: number) {
    this.#low = mix((seed | 0) + golden)
    this.#high = mix(upper(seed) ^ this.#low)
  }

  /** To the numbers of row `i`. */
  seek(i: number): this {
    this.#a = mix((i | 0) ^ this.#low)
    this.#b = mix(this.#a ^ upper(i) ^ this.#high)
    this.#counter = 0
    return this
  }

  /** 32 bits. */
  next(): number {
    this.#counter = (this.#counter + golden) | 0
    return mix(mix(this.#a + this.#counter) ^ this.#b) >>> 0
  }

  /** A whole number from 0 to `n - 1`; `n` is at most 2^32. */
  int(n: number): number {
    return Math.floor((this.next() / 2 ** 32) * n)
  }

  pick<A>(from: ReadonlyArray<A>): A {
    return from[this.int(from.length)]!
  }
}
