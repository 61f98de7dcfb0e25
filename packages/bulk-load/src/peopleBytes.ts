/** The rows of `people` written as bytes, for speed: the same as its `row` makes them, which a test compares. */
import type { BlockBuilder } from "./BlockBuilder.ts"
import type { Random } from "./Random.ts"

const ascii = (texts: ReadonlyArray<string>): ReadonlyArray<Uint8Array> =>
  texts.map((text) => Uint8Array.from(Buffer.from(text, "latin1")))
const [user, host] = ascii(["person", "@example.com"]) as [Uint8Array, Uint8Array]

const put = (bytes: Uint8Array, at: number, text: Uint8Array): number => {
  for (let i = 0; i < text.length; i++) bytes[at++] = text[i]!
  return at
}

const putTwo = (bytes: Uint8Array, at: number, n: number): number => {
  const tens = (n / 10) | 0
  bytes[at] = 48 + tens
  bytes[at + 1] = 48 + n - 10 * tens
  return at + 2
}

const putNumber = (bytes: Uint8Array, at: number, n: number): number => {
  let length = 1
  for (let rest = n; rest >= 10; rest = Math.floor(rest / 10)) length++
  const end = at + length
  for (let i = end - 1; i >= at; i--) {
    const rest = Math.floor(n / 10)
    bytes[i] = 48 + n - 10 * rest
    n = rest
  }
  return end
}

interface Words {
  readonly first: ReadonlyArray<string>
  readonly last: ReadonlyArray<string>
  /** Of each day of the year, `2026-01-01`. */
  readonly days: ReadonlyArray<string>
}

export const peopleBytes = (words: Words) => {
  const [first, last, days] = [ascii(words.first), ascii(words.last), ascii(words.days)]
  const seconds = days.length * 86_400

  return (i: number, random: Random, builder: BlockBuilder): void => {
    builder.reserve(128)
    const { bytes } = builder
    const end = (index: number, start: number, at: number) => {
      builder.at = at
      builder.field(index, start, false)
      return index < 3 ? builder.begin() : builder.at
    }
    let start = builder.begin()
    let at = put(bytes, start, random.pick(first))
    bytes[at++] = 32
    start = end(0, start, put(bytes, at, random.pick(last)))
    at = putNumber(bytes, put(bytes, start, user), i)
    start = end(1, start, put(bytes, at, host))
    start = end(2, start, putTwo(bytes, start, 18 + random.int(72)))
    const second = random.int(seconds)
    const day = (second / 86_400) | 0
    const ofDay = second - day * 86_400
    const hour = (ofDay / 3600) | 0
    const minute = ((ofDay - hour * 3600) / 60) | 0
    at = put(bytes, start, days[day]!)
    bytes[at++] = 32
    at = putTwo(bytes, at, hour)
    bytes[at++] = 58
    at = putTwo(bytes, at, minute)
    bytes[at++] = 58
    end(3, start, putTwo(bytes, at, ofDay % 60))
  }
}
