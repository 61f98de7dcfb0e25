import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Option } from "effect"
import { assert, describe, expect, it } from "vitest"
import { exitCodesOf } from "../src/commands/Help.ts"
import { allHelp, type Help } from "./helpDocs.ts"

const file = fileURLToPath(new URL("../../../docs/cli.md", import.meta.url))
const reference = "<!-- reference -->\n"

const all = (await allHelp()).filter(({ path }) => path.length > 1)

const inTable = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ")
const words = (text: string) => text.replace(/\.$/, "")

const table = (head: string, rows: ReadonlyArray<readonly [string, string]>) =>
  rows.length === 0 ? [] : ["", `| ${head} | |`, "| --- | --- |", ...rows.map(([name, text]) => `| ${name} | ${inTable(text)} |`)]

const flagName = ({ aliases, name, type }: Help["doc"]["flags"][number]) =>
  [`--${name}`, ...aliases].map((form) => `\`${form}${type === "boolean" ? "" : ` ${type}`}\``).join(", ")

/** One command as docs/cli.md has it. */
const section = ({ doc, path }: Help): string => {
  const described = (text: Option.Option<string>, required: boolean) =>
    `${Option.getOrElse(text, () => "")}${required ? " (required)" : ""}`
  const common = exitCodesOf([]).map(([code, meaning]) => `${code} ${meaning}`)
  const own = exitCodesOf(path).filter(([code, meaning]) => !common.includes(`${code} ${meaning}`))
  return [
    `${"#".repeat(path.length)} ${path.join(" ")}`,
    "",
    `${words(doc.description)}.`,
    "",
    `\`${doc.usage}\``,
    ...table(
      "argument",
      (doc.args ?? []).map(({ description, name, required }) => [`\`${name}\``, described(description, required)])
    ),
    ...table(
      "flag",
      doc.flags.map((flag) => [flagName(flag), described(flag.description, flag.required)])
    ),
    ...((doc.subcommands ?? []).length > 0
      ? []
      : table(
          "exit code",
          own.map(([code, meaning]) => [code, meaning])
        )),
    ...((doc.examples ?? []).length === 0 ? [] : ["", "Examples:", ""]),
    ...(doc.examples ?? []).map(({ command, description }) => `- \`${command}\`${description ? `: ${description}` : ""}`),
    ""
  ].join("\n")
}

describe("the help of every command", () => {
  for (const { doc, path } of all) {
    const isGroup = (doc.subcommands ?? []).length > 0
    it(`${path.join(" ")}: description, examples, and each flag explained`, () => {
      assert.match(doc.description, /^[A-Z].{10,}/s)
      assert.isNotEmpty(doc.examples ?? [])
      for (const { command } of doc.examples ?? []) assert.include(command, isGroup ? path[0]! : path.join(" "))
      for (const { description, name } of [...doc.flags, ...(doc.args ?? [])]) {
        assert.isTrue(Option.isSome(description), `${name} has no description`)
      }
    })
  }

  it("says which exit codes there are", () => {
    for (const { path } of all)
      assert.deepStrictEqual(
        exitCodesOf(path)
          .map(([code]) => code)
          .slice(0, 3),
        ["0", "1", "2"]
      )
    assert.deepInclude(exitCodesOf(["sluice", "doctor"]), ["3", "at least one problem was found; warnings alone are 0"])
  })

  it("tells exit codes of commands that there are", () => {
    const known = new Set(all.map(({ path }) => path.join(" ")))
    const source = readFileSync(fileURLToPath(new URL("../src/commands/Help.ts", import.meta.url)), "utf8")
    for (const [, name] of source.matchAll(/^ {2}"(sluice [a-z ]+)":/gm)) assert.isTrue(known.has(name!), name)
  })
})

describe("docs/cli.md", () => {
  /** After a change of commands: `npx vitest run --config vitest.workspace.ts --project unit commands-help -u`. */
  it("is what the commands' own help says", async () => {
    const intro = readFileSync(file, "utf8").split(reference)[0]!
    await expect(`${intro}${reference}\n${all.map(section).join("\n")}`).toMatchFileSnapshot(file)
  })

  it("has every command and every flag", () => {
    const text = readFileSync(file, "utf8")
    for (const { doc, path } of all) {
      const [, own] = text.split(`${"#".repeat(path.length)} ${path.join(" ")}\n`)
      assert.isDefined(own, path.join(" "))
      for (const { name } of doc.flags) assert.include(own!.split(/^#/m)[0]!, `\`--${name}`, path.join(" "))
    }
  })
})
