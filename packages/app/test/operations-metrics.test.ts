import { assert, describe, it } from "@effect/vitest"
import { parser } from "@prometheus-io/lezer-promql"
import { Effect } from "effect"
import { parse as parseYaml } from "yaml"
import { type Family, familiesOf, fileAt, scrapeAfterUse } from "./operations-kit.ts"

interface Documented {
  readonly name: string
  readonly type: string
  readonly unit: string
  readonly labels: ReadonlyArray<string>
}

const documented: ReadonlyArray<Documented> = [
  ...fileAt("docs/reference/metrics.md").matchAll(/^\| `([a-z0-9_]+)` \| (\w+) \|([^|]*)\|([^|]*)\|/gm)
].map(([, name, type, unit, labels]) => ({
  name: name!,
  type: type!,
  unit: unit!.trim(),
  labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!)
}))

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

const rules: ReadonlyArray<Rule> = (
  parseYaml(fileAt("deploy/prometheus/alerts.yml"), { merge: true }) as {
    readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
  }
).groups.flatMap((group) => group.rules)

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}

const dashboard = JSON.parse(fileAt("deploy/grafana/dashboard.json")) as {
  readonly panels: ReadonlyArray<Panel>
  readonly annotations: { readonly list: ReadonlyArray<{ readonly expr: string }> }
  readonly templating: { readonly list: ReadonlyArray<{ readonly type: string; readonly definition?: string }> }
}

/** What Grafana puts there before it asks. */
const filledIn = (expr: string) => expr.replaceAll(/\$__(rate_interval|range)/g, "1m").replaceAll(/\$(campaign|instance)/g, ".*")

interface Selector {
  readonly metric: string
  readonly labels: ReadonlyArray<string>
}

/** The metrics that an expression asks for, with the labels it selects or groups by. */
const selectorsOf = (expr: string): ReadonlyArray<Selector> => {
  const selectors: Array<{ metric: string; labels: Array<string> }> = []
  const tree = parser.parse(expr)
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${expr}`)
      const text = expr.slice(node.from, node.to)
      if (node.name === "VectorSelector") selectors.push({ metric: /^[a-zA-Z_:][\w:]*/.exec(text)?.[0] ?? "", labels: [] })
      if (node.name === "LabelName" && node.node.parent?.name.includes("Matcher")) selectors.at(-1)?.labels.push(text)
    }
  })
  return selectors
}

const groupingsOf = (expr: string): ReadonlyArray<string> => {
  const labels: Array<string> = []
  parser.parse(expr).iterate({
    enter: (node) => {
      if (node.name === "LabelName" && node.node.parent?.name === "GroupingLabels") labels.push(expr.slice(node.from, node.to))
    }
  })
  return labels
}

/** Labels that Prometheus itself gives. */
const ofPrometheus = ["job", "instance", "le"]

const findFamily = (families: ReadonlyMap<string, Family>, metric: string) =>
  families.get(metric) ?? families.get(metric.replace(/_(bucket|sum|count)$/, ""))

const headings = (markdown: string) =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-")
  )

const expressions = [
  ...rules.map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
  ...dashboard.panels.flatMap(({ targets = [], title }) =>
    targets.map(({ expr }) => [`panel ${title}`, filledIn(expr)] as const)
  ),
  ...dashboard.annotations.list.map(({ expr }) => ["annotation", filledIn(expr)] as const)
]

describe("metrics", () => {
  it.live("what is served is what is documented, and every query asks for what is there", () =>
    Effect.gen(function* () {
      const text = yield* scrapeAfterUse
      const families = familiesOf(text)

      const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
      const ids = series.map((line) => line.slice(0, line.lastIndexOf(" ")))
      assert.sameMembers([...new Set(ids)], ids, "a series is served twice")

      assert.isAbove(documented.length, 30)
      for (const { labels, name, type } of documented) {
        const family = families.get(name)
        assert.isDefined(family, `${name} is documented and not served`)
        assert.strictEqual(family!.type, type, name)
        assert.sameMembers(
          [...family!.labels].filter((label) => label !== "le"),
          [...labels],
          `the labels of ${name}`
        )
        assert.match(family!.help ?? "", /\S .*\S/, `the HELP of ${name}`)
      }
      const names = new Set(documented.map(({ name }) => name))
      for (const name of families.keys()) assert.isTrue(names.has(name), `${name} is served and not documented`)

      for (const [where, expr] of expressions) {
        const selectors = selectorsOf(expr)
        if (expr !== "vector(0)") assert.isNotEmpty(selectors, where)
        const known = new Set(ofPrometheus)
        for (const { labels, metric } of selectors) {
          if (metric === "up") continue
          const family = findFamily(families, metric)
          assert.isDefined(family, `${where} asks for ${metric}, which is not there`)
          for (const label of labels) {
            assert.isTrue(family!.labels.has(label) || ofPrometheus.includes(label), `${where}: ${metric} has no label ${label}`)
          }
          for (const label of family!.labels) known.add(label)
        }
        for (const label of groupingsOf(expr)) assert.isTrue(known.has(label), `${where} groups by ${label}`)
      }
    }).pipe(Effect.scoped)
  )

  it("are named by their unit", () => {
    for (const { name, type, unit } of documented) {
      if (type === "counter") assert.match(name, /_total$/, name)
      if (unit === "seconds" && type !== "counter") assert.match(name, /_seconds$/, name)
      if (unit === "bytes") assert.match(name, /_bytes$/, name)
      assert.isNotEmpty(unit, name)
    }
  })
})

describe("alerts", () => {
  const operating = headings(fileAt("docs/operating.md"))

  it("each has a severity, a summary, and a page that says what to do", () => {
    assert.isAbove(rules.length, 20)
    for (const { alert, annotations = {}, labels = {} } of rules) {
      assert.include(["page", "ticket"], labels.severity, alert)
      assert.isNotEmpty(annotations.summary, alert)
      const [file, anchor] = annotations.runbook!.split("#")
      assert.strictEqual(file, "docs/operating.md", alert)
      assert.include(operating, anchor, alert)
      assert.strictEqual(anchor, alert.toLowerCase())
    }
  })

  it("no page is of an alert that is not there", () => {
    const alerts = rules.map(({ alert }) => alert.toLowerCase())
    for (const heading of operating) if (heading.startsWith("sluice") && !heading.includes("-")) assert.include(alerts, heading)
  })
})

describe("the dashboard", () => {
  it("has a row for each part, with panels that do not cover each other", () => {
    const rows = dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title)
    assert.deepStrictEqual(rows, ["Crowd", "Drop", "Orders", "Loads", "Engines", "Process"])
    const ids = dashboard.panels.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    const cells = new Set<string>()
    for (const { gridPos, title } of dashboard.panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isFalse(cells.has(`${x},${y}`), `${title} covers another`)
          cells.add(`${x},${y}`)
        }
      }
    }
  })

  it("asks for each documented metric, so that none is there for nobody", () => {
    const asked = new Set(
      expressions.flatMap(([, expr]) => selectorsOf(expr).map(({ metric }) => metric.replace(/_bucket$/, "")))
    )
    for (const { name } of documented) assert.isTrue(asked.has(name), `${name} is nowhere on the dashboard`)
  })
})
