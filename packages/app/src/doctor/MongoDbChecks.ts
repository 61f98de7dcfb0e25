/** MongoDB holds the order view: it can be built anew, and yet must not lose what readers were shown. */
import { MongoDb } from "@sluice/engines"
import { Effect, Redacted } from "effect"
import { type Finding, findings, isAtLeast, judgeRights, judgeSkew, type Refusal, type Skew, skewOf } from "./Finding.ts"
import { type Engine, ownName, takingAway, trying } from "./Trying.ts"

export interface MongoDbFacts {
  readonly database: string
  readonly version: string
  /** Undefined where it is in no replica set; "mongos" for a sharded cluster. */
  readonly replicaSet: string | undefined
  readonly isWritablePrimary: boolean
  readonly members: number
  /** Whether "majority" waits for the journal; undefined where it is not told. */
  readonly majorityJournal: boolean | undefined
  /** Undefined where it is not told. */
  readonly storageEngine: string | undefined
  readonly refusals: ReadonlyArray<Refusal>
  readonly skew: Skew
}

const { ok, problem, warning } = findings("mongodb")

export const judgeMongoDb = (facts: MongoDbFacts): ReadonlyArray<Finding> => {
  const { database, isWritablePrimary, majorityJournal, members, refusals, replicaSet, skew, storageEngine, version } = facts
  return [
    isAtLeast(version, "6.0")
      ? ok("version", `${version} is new enough`)
      : problem("version", `${version} is older than what Sluice is tested on`, "install MongoDB 6.0 or newer"),
    replicaSet === undefined
      ? problem(
          "replica set",
          "it is a single server outside a replica set: writes are not tried again after a cut, and there is no majority",
          'start mongod with --replSet rs0, then mongosh --eval "rs.initiate()", and add ?replicaSet=rs0 to SLUICE_MONGODB_URL'
        )
      : members === 1
        ? warning(
            "replica set",
            `${replicaSet} has one member: while it is away orders can't be read`,
            "mongosh --eval 'rs.add(\"<host:port>\")' until there are three"
          )
        : ok("replica set", members === 0 ? `reached by ${replicaSet}` : `${replicaSet} of ${members} members`),
    isWritablePrimary
      ? ok("primary", "there is one that takes writes")
      : problem(
          "primary",
          "the server that answers takes no writes",
          'mongosh --eval "rs.status()": a majority must be up to elect one'
        ),
    majorityJournal === false
      ? warning(
          "journal",
          "writes of a majority don't wait for the journal: when all members crash together, readers may see older orders",
          "rs.reconfig with writeConcernMajorityJournalDefault: true"
        )
      : ok("journal", "Sluice writes with w: majority, which waits for the journal"),
    ...(storageEngine === "inMemory" || storageEngine === "ephemeralForTest"
      ? [problem("storage", `${storageEngine}: a restart loses the order view`, "start mongod with --storageEngine wiredTiger")]
      : []),
    judgeRights(
      "mongodb",
      "a collection of its own",
      refusals,
      `db.grantRolesToUser("<user>", [{ role: "readWrite", db: "${database}" }])`
    ),
    judgeSkew("mongodb", skew)
  ]
}

interface Hello {
  readonly setName?: string
  readonly msg?: string
  readonly isWritablePrimary?: boolean
  readonly hosts?: ReadonlyArray<string>
  readonly localTime: Date
}

const factsOf = Effect.gen(function* () {
  const { client, db, run } = yield* MongoDb
  yield* run(() => client.connect())
  const asked = Date.now()
  const hello = yield* run((opened) => opened.command({ hello: 1 }) as Promise<unknown> as Promise<Hello>)
  const skew = skewOf(hello.localTime.getTime(), asked, Date.now())
  const admin = client.db("admin")
  const told = <A>(ask: () => Promise<A>) => Effect.orElseSucceed(run(ask), () => undefined)
  const version = yield* run(async (opened) => String((await opened.command({ buildInfo: 1 })).version))
  const config = yield* told(async () => (await admin.command({ replSetGetConfig: 1 })).config)
  const status = yield* told(() => admin.command({ serverStatus: 1 }))

  const { refusals, step } = trying()
  const collection = db.collection(ownName())
  const attempt = <A>(name: string, f: () => Promise<A>) => step(name, run(f))
  yield* Effect.gen(function* () {
    yield* attempt("insert", () => collection.insertOne({ n: 1 }, { writeConcern: { w: "majority", wtimeoutMS: 5000 } }))
    yield* attempt("createIndex", () => collection.createIndex({ n: 1 }))
    yield* attempt("update", () => collection.updateOne({ n: 1 }, [{ $set: { m: { $add: ["$n", 1] } } }]))
    yield* attempt("find", () => collection.findOne({ m: 2 }))
    yield* attempt("delete", () => collection.deleteMany({}))
  }).pipe(Effect.ensuring(takingAway(attempt("drop", () => collection.drop()))))
  const facts: MongoDbFacts = {
    database: db.databaseName,
    version,
    replicaSet: hello.msg === "isdbgrid" ? "mongos" : hello.setName,
    isWritablePrimary: hello.isWritablePrimary === true,
    members: hello.hosts?.length ?? 0,
    majorityJournal: config?.writeConcernMajorityJournalDefault,
    storageEngine: status?.storageEngine?.name,
    refusals,
    skew
  }
  return facts
})

const hostsOf = (url: string) => /^[^:]+:\/\/(?:[^/]*@)?([^/?]+)/.exec(url)?.[1] ?? "its address"

export const mongoDbEngine = (url: Redacted.Redacted): Engine => ({
  about: "mongodb",
  address: hostsOf(Redacted.value(url)),
  setting: "SLUICE_MONGODB_URL",
  examine: factsOf.pipe(Effect.map(judgeMongoDb), Effect.provide(MongoDb.layer({ url })))
})
