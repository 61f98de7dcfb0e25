import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Instant, NewCampaign } from "../src/Campaign.ts"

const isInstant = Schema.is(Instant)

describe("an instant", () => {
  for (const text of [
    "2026-11-24T12:00:00Z",
    "2026-11-24T12:00Z",
    "2026-11-24T12:00:00.123456789+05:30",
    "2028-02-29T23:59:59-23:59",
    "2000-02-29T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "0000-12-31T23:59:59-23:59"
  ]) {
    it(`is ${text}`, () => assert.isTrue(isInstant(text)))
  }

  for (const text of [
    "2026-02-30T00:00:00Z",
    "2099-04-31T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2100-02-29T12:00:00+01:00",
    "2026-13-01T00:00:00Z",
    "2026-00-10T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T12:60:00Z",
    "2026-01-01T12:00:60Z",
    "2026-01-01T12:00:00+24:00",
    "2026-01-01T12:00:00+01:60",
    "2026-01-01T12:00:00",
    "2026-01-01",
    "2026-01-01 12:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+00:01",
    "0000-01-01T00:00:00Z",
    "+010000-01-01T00:00:00Z",
    "2026-01-01T12:00:00Z\n",
    "soon",
    ""
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => assert.isFalse(isInstant(text)))
  }
})

describe("a new campaign", () => {
  const isNew = Schema.is(NewCampaign)
  const campaign = { id: "sale", name: "Sale", stock: 1, ratePerSecond: 1 }

  it("has a name that can be read", () => {
    assert.isTrue(isNew(campaign))
    for (const name of ["", " ", "\ud83d", "a\u202eb", "a\u200b", "a".repeat(201)]) assert.isFalse(isNew({ ...campaign, name }))
  })
})
