import { assert, describe, it } from "@effect/vitest"
import { Signals } from "@sluice/engines"
import { afterEach, beforeEach, vi } from "vitest"

describe("signals", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("the first word goes at once, those soon after it together, each once and for its channel", () => {
    const sent: Array<string> = []
    const send = Signals.gathered(5, (channel, words) => sent.push(`${channel} ${words.join()}`))
    send("a", ["1"])
    send("a", ["2"])
    send("b", [])
    send("a", ["3", "4"])
    assert.deepStrictEqual(sent, ["a 1", "b "])
    vi.advanceTimersByTime(5)
    assert.deepStrictEqual(sent, ["a 1", "b ", "a 2,3,4"])
    send("a", ["5"])
    vi.advanceTimersByTime(5)
    assert.deepStrictEqual(sent.slice(3), ["a 5"])
    vi.advanceTimersByTime(50)
    send("a", ["6"])
    assert.deepStrictEqual(sent.slice(4), ["a 6"])
  })

  it("a signal without words that comes soon after another is sent, too", () => {
    const sent: Array<string> = []
    const send = Signals.gathered(5, (channel) => sent.push(channel))
    send("a", [])
    send("a", [])
    vi.advanceTimersByTime(100)
    assert.deepStrictEqual(sent, ["a", "a"])
  })
})
