import { assert, describe, it } from "@effect/vitest"
import type { CampaignView, Coupon } from "@sluice/domain"
import { type History, judge, type Told } from "../src/rush/Verdict.ts"

const stock = 3

/** Who has place 2 asked once the one at place 1 was answered, and so on. */
const at = (place: number) => ({ place, askedAtMs: place * 10, joinedAtMs: place * 10 + 5 })

const issued = (place: number, serial: number): Told => ({
  id: `u${place}`,
  state: "issued",
  ...at(place),
  serial,
  code: `C${serial}`
})
const told = (place: number, state: Told["state"]): Told => ({
  id: `u${place}`,
  state,
  ...at(place),
  serial: undefined,
  code: undefined
})
const coupon = (serial: number): Coupon => ({ campaignId: "c", serial, code: `C${serial}`, issuedAt: "2026-11-24T12:00:00.000Z" })

const campaign: CampaignView = {
  id: "c",
  name: "c",
  state: "sold_out",
  stock,
  remaining: 0,
  waiting: 0,
  issuing: 0,
  issued: 3,
  dead: 0,
  ratePerSecond: 10,
  opensAt: null,
  closesAt: null,
  maxWaiting: null
}

const honest: History = {
  users: [issued(1, 1), issued(2, 2), issued(3, 3), told(4, "sold_out"), told(5, "sold_out")],
  stock,
  campaign,
  coupons: new Map([
    ["u1", [coupon(1)]],
    ["u2", [coupon(2)]],
    ["u3", [coupon(3)]]
  ]),
  asked: new Set(),
  stillWaiting: new Set(),
  hadTime: true,
  isNew: true,
  isOwn: true
}

const outcomes = (change: Partial<History>) =>
  Object.fromEntries(judge({ ...honest, ...change }).map(({ outcome, promise }) => [promise, outcome]))

const fails = (change: Partial<History>) =>
  Object.entries(outcomes(change))
    .filter(([, outcome]) => outcome === "fail")
    .map(([promise]) => Number(promise))

const withUsers = (...users: ReadonlyArray<Told>): Partial<History> => ({
  users,
  coupons: new Map(users.filter((u) => u.state === "issued").map((u) => [u.id, [coupon(u.serial!)]]))
})

describe("the verdict", () => {
  it("passes an honest drop", () => {
    assert.deepStrictEqual(outcomes({}), { 1: "pass", 2: "pass", 3: "pass", 5: "pass" })
  })

  describe("promise 1", () => {
    it("more told issued than the stock", () => {
      const users = [issued(1, 1), issued(2, 2), issued(3, 3), issued(4, 4)]
      assert.deepStrictEqual(fails(withUsers(...users)), [1])
    })
    it("one serial for two users", () => {
      assert.deepStrictEqual(fails(withUsers(issued(1, 1), issued(2, 1), issued(3, 3))), [1])
    })
    for (const serial of [0, 4, 1.5, undefined]) {
      it(`the serial ${serial}`, () => {
        const users = [issued(1, 1), issued(2, 2), { ...issued(3, 3), serial }]
        assert.include(fails({ users }), 1)
      })
    }
    it("two coupons for one user", () => {
      const coupons = new Map([...honest.coupons, ["u1", [coupon(1), coupon(9)]] as const])
      assert.deepStrictEqual(fails({ coupons }), [1])
    })
    it("more issued than the stock, as the campaign has it", () => {
      assert.deepStrictEqual(fails({ campaign: { ...campaign, issued: 4, stock: 3 } }), [1, 3])
    })
    it("counters that do not add up", () => {
      assert.deepStrictEqual(fails({ campaign: { ...campaign, remaining: 1 } }), [1])
    })
  })

  describe("promise 2", () => {
    it("told issued, and no coupon", () => {
      assert.deepStrictEqual(fails({ coupons: new Map([...honest.coupons, ["u2", []] as const]) }), [2])
    })
    it("another serial", () => {
      assert.deepStrictEqual(fails({ coupons: new Map([...honest.coupons, ["u2", [coupon(3)]] as const]) }), [2])
    })
    it("another code", () => {
      const coupons = new Map([...honest.coupons, ["u2", [{ ...coupon(2), code: "other" }]] as const])
      assert.deepStrictEqual(fails({ coupons }), [2])
    })
    it("told issued without a code", () => {
      assert.deepStrictEqual(fails({ users: [{ ...issued(1, 1), code: undefined }, ...honest.users.slice(1)] }), [2])
    })
    it("no answer to what coupons a user has", () => {
      const silent = new Map(honest.users.slice(0, 3).map(({ id }) => [id, undefined]))
      assert.deepStrictEqual(fails({ coupons: silent }), [2])
      assert.deepStrictEqual(fails({ coupons: new Map([...honest.coupons, ["u2", undefined] as const]) }), [2])
    })
    it("is not applicable when nobody could be asked", () => {
      assert.strictEqual(outcomes({ coupons: new Map() })[2], "not_applicable")
    })
  })

  describe("promise 3", () => {
    const short = { ...campaign, issued: 2, remaining: 1 }
    it("stock is left though somebody was told sold out", () => {
      assert.deepStrictEqual(fails({ ...withUsers(issued(1, 1), issued(2, 2), told(3, "sold_out")), campaign: short }), [3])
    })
    it("stock is left, somebody waits, and there was time", () => {
      const change = {
        ...withUsers(issued(1, 1), issued(2, 2), told(3, "waiting")),
        campaign: { ...short, state: "open" as const }
      }
      assert.deepStrictEqual(fails(change), [3])
      assert.strictEqual(outcomes({ ...change, hadTime: false })[3], "not_applicable")
      assert.strictEqual(outcomes({ ...change, campaign: { ...short, state: "paused" } })[3], "not_applicable")
    })
    it("coupons that the campaign counts, and nobody was told of", () => {
      const half = withUsers(issued(1, 1), told(2, "sold_out"), told(3, "sold_out"), told(4, "sold_out"))
      assert.deepStrictEqual(fails(half), [3])
      // In a campaign that is open to others, they may have them.
      assert.deepStrictEqual(fails({ ...half, isOwn: false }), [])
      const stuck = withUsers(told(1, "issuing"), told(2, "issuing"), told(3, "waiting"), told(4, "sold_out"))
      assert.deepStrictEqual(fails({ ...stuck, asked: new Set(["u1", "u2", "u3"]) }), [3])
      // Who could not be asked again may have been told since.
      assert.strictEqual(outcomes(stuck)[3], "not_applicable")
      assert.deepStrictEqual(fails({ ...stuck, asked: new Set(["u1"]) }), [3])
    })
    it("a campaign that still moves shows nothing yet", () => {
      const moving = { ...campaign, state: "open" as const, remaining: 2, issued: 1 }
      const change = { ...withUsers(told(1, "waiting"), told(2, "waiting")), campaign: moving, hadTime: false }
      assert.strictEqual(outcomes(change)[3], "not_applicable")
      assert.strictEqual(outcomes({ ...change, campaign: { ...moving, remaining: 1, issuing: 1 } })[3], "not_applicable")
    })
    it("a win that is never written", () => {
      const stuck = { ...campaign, issued: 2, issuing: 1 }
      assert.deepStrictEqual(fails({ ...withUsers(issued(1, 1), issued(2, 2), told(3, "issuing")), campaign: stuck }), [3])
    })
    it("a dead letter", () => {
      const dead = { ...campaign, issued: 2, dead: 1 }
      assert.deepStrictEqual(fails({ ...withUsers(issued(1, 1), issued(2, 2), told(4, "sold_out")), campaign: dead }), [3])
    })
    it("is not applicable to a crowd smaller than the stock, nor without the campaign", () => {
      const few = { ...withUsers(issued(1, 1), issued(2, 2)), campaign: { ...short, state: "open" as const } }
      assert.strictEqual(outcomes(few)[3], "not_applicable")
      assert.strictEqual(outcomes({ campaign: undefined })[3], "not_applicable")
    })
  })

  describe("promise 5", () => {
    it("somebody was passed: sold out at an earlier place", () => {
      assert.deepStrictEqual(fails(withUsers(issued(1, 1), told(2, "sold_out"), issued(3, 2), issued(4, 3))), [5])
    })
    it("somebody was passed: still waiting at an earlier place", () => {
      const users = withUsers(issued(1, 1), told(2, "waiting"), issued(3, 2), issued(4, 3))
      assert.deepStrictEqual(fails({ ...users, stillWaiting: new Set(["u2"]) }), [5])
      // Told waiting before the later ones were told issued: that shows nothing.
      assert.deepStrictEqual(fails(users), [])
    })
    it("serials against the order of places", () => {
      assert.deepStrictEqual(fails(withUsers(issued(1, 2), issued(2, 1), issued(3, 3))), [5])
    })
    it("one place for two users", () => {
      const users = withUsers(issued(1, 1), issued(2, 2), issued(3, 3), told(4, "sold_out"), { ...told(4, "sold_out"), id: "u9" })
      assert.deepStrictEqual(fails(users), [5])
    })
    for (const state of ["left", "failed", "refused"] as const) {
      it(`somebody was passed: the crowd never leaves, and one of it was told or could only be told ${state}`, () => {
        const users = withUsers(told(1, state), issued(2, 1), issued(3, 2), issued(4, 3))
        assert.deepStrictEqual(fails(users), [5])
        assert.deepStrictEqual(fails({ users: [...honest.users, { ...told(6, state), place: undefined }] }), [])
      })
    }
    it("an earlier place for who asked once others had theirs", () => {
      const late = { ...issued(1, 1), askedAtMs: 100, joinedAtMs: 105 }
      assert.deepStrictEqual(fails({ users: [late, ...honest.users.slice(1)] }), [5])
      // At the same time either may be first, and who joined before this crowd came has an early place.
      assert.deepStrictEqual(fails({ users: [{ ...late, askedAtMs: 15 }, ...honest.users.slice(1)] }), [])
      assert.deepStrictEqual(fails({ users: [late, ...honest.users.slice(1)], isNew: false }), [])
    })
    it("is not applicable without places", () => {
      assert.strictEqual(outcomes(withUsers({ ...issued(1, 1), place: undefined }))[5], "not_applicable")
    })
  })
})
