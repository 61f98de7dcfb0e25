/** The command line in a real shell: pipes that close, colours, exit codes, and what Tab completes. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { hasProgram } from "@sluice/testkit/ci"
import { afterAll, assert, describe, it } from "vitest"
import pkg from "../package.json" with { type: "json" }

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const checkout = fileURLToPath(new URL("../../../", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "sluice-shell-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(SLUICE_|NO_COLOR$|FORCE_COLOR$|TERM$)/.test(name))
)
/** In it, `sluice` is the command. */
const prelude = `sluice() { ${JSON.stringify(process.execPath)} ${JSON.stringify(main)} "$@"; }\n`

const shell = async (script: string, env: Record<string, string> = {}) => {
  const options = {
    cwd: folder,
    env: { ...clean, TERM: "xterm", SLUICE_DATA_DIR: join(folder, "data"), SLUICE_PORT: "0", ...env }
  }
  return promisify(execFile)("bash", ["-c", prelude + script], options).then(
    ({ stderr, stdout }) => ({ code: 0, stderr, stdout }),
    (error: { code: number; stderr: string; stdout: string }) => ({
      code: error.code,
      stderr: error.stderr,
      stdout: error.stdout
    })
  )
}

const escape = "\u001b"

describe("a pipe whose reader has enough", () => {
  for (const command of ["sluice load --help", "sluice doctor", "sluice --completions bash"]) {
    it(`ends ${command} quietly`, async () => {
      const { stderr, stdout } = await shell(`${command} | head -1`)
      assert.lengthOf(stdout.trim().split("\n"), 1)
      assert.strictEqual(stderr, "")
    })
  }

  it("ends a load in the middle quietly, and it goes on at the next call", async () => {
    const file = join(folder, "pipe.db")
    const db = new DatabaseSync(file)
    db.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, email TEXT, age INTEGER, created_at TEXT)")
    const load = `sluice load people --generate people --rows 100000 --chunk-rows 5000 --database ${file} --json`
    const first = await shell(`${load} | head -3; echo "\${PIPESTATUS[0]}"`)
    assert.strictEqual(first.stderr, "")
    assert.strictEqual(first.stdout.trim().split("\n").at(-1), "141")
    const stored = () => Number(db.prepare("SELECT COUNT(*) AS n FROM people").get()!.n)
    assert.isBelow(stored(), 100_000)
    assert.strictEqual((await shell(`${load} > /dev/null`)).code, 0)
    assert.strictEqual(stored(), 100_000)
    db.close()
  })

  it("does not end a command whose progress nobody watches", async () => {
    const { code, stdout } = await shell("set -o pipefail; sluice doctor --json 2> >(true) | cat")
    assert.strictEqual(code, 0)
    assert.strictEqual(JSON.parse(stdout).problems, 0)
  })
})

describe("colours", () => {
  const commands = [
    "sluice load --help",
    "sluice doctor",
    "sluice load --nonsense",
    "sluice campaign list --url http://127.0.0.1:1"
  ]

  it("are not in what goes to a file or a pipe", async () => {
    for (const command of commands) assert.notInclude((await shell(`${command} 2>&1 | cat`)).stdout, escape, command)
  })

  it.runIf(hasProgram("script"))("are on a terminal, and not with NO_COLOR", async () => {
    // Node takes a terminal for one without colours where CI is set.
    const onTerminal = (command: string) => `env -u CI TERM=xterm script -qec '${process.execPath} ${main} ${command}' /dev/null`
    assert.include((await shell(onTerminal("doctor"))).stdout, `${escape}[32m`)
    for (const command of ["doctor", "load --help", "load --nonsense"]) {
      assert.notInclude((await shell(onTerminal(command), { NO_COLOR: "1" })).stdout, `${escape}[`, command)
    }
  })
})

describe("exit codes", () => {
  for (const [command, code] of [
    ["sluice --version", 0],
    ["sluice campaign list --url http://127.0.0.1:1", 1],
    ["sluice doctor --jsn", 2],
    ["SLUICE_PORT=0 SLUICE_ENGINES=both sluice serve", 2],
    ["SLUICE_ADMIN_KEY=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa sluice doctor", 3]
  ] as const) {
    it(`${code}: ${command}`, async () => assert.strictEqual((await shell(command)).code, code))
  }

  it("npx finds the command in the checkout, with no registry", async () => {
    const { stderr, stdout } = await shell(`cd ${JSON.stringify(checkout)} && npx --offline sluice --version`)
    assert.strictEqual(stdout.trim(), `sluice v${pkg.version}`, stderr)
  })

  it("--version is the package's", async () => {
    assert.strictEqual((await shell("sluice --version")).stdout.trim(), `sluice v${pkg.version}`)
  })
})

/** A line, whose last word is being typed, and some of what Tab offers. */
const completed = [
  ["sluice ", ["campaign", "load", "doctor", "demo"]],
  ["sluice ca", ["campaign"]],
  ["sluice campaign cl", ["close"]],
  ["sluice rush --us", ["--users"]],
  ["sluice load --format ", ["csv", "ndjson"]]
] as const

describe("completions", () => {
  it("are those of every command, wherever they are asked for", async () => {
    const { stdout: of } = await shell("sluice --completions fish")
    assert.strictEqual((await shell("sluice load --completions fish")).stdout, of)
  })

  it("bash", async () => {
    const file = join(folder, "sluice.bash")
    writeFileSync(file, (await shell("sluice --completions bash")).stdout)
    for (const [line, offered] of completed) {
      const typed = line.split(" ")
      const at = typed.length - 1
      const quoted = (text = "") => JSON.stringify(text)
      const asked = [
        `COMP_LINE=${quoted(line)}; COMP_POINT=${line.length}; COMP_WORDS=(${typed.map(quoted).join(" ")}); COMP_CWORD=${at}`,
        `_sluice sluice ${quoted(typed[at])} ${quoted(typed[at - 1])}; printf '%s\\n' "\${COMPREPLY[@]}"`
      ]
      const { code, stderr, stdout } = await shell(`source ${file}\n${asked.join("\n")}`)
      assert.strictEqual(code, 0, stderr)
      assert.includeMembers(stdout.trim().split("\n"), [...offered], line)
    }
  })

  it.runIf(hasProgram("fish"))("fish", async () => {
    const file = join(folder, "sluice.fish")
    writeFileSync(file, (await shell("sluice --completions fish")).stdout)
    for (const [line, offered] of completed) {
      const { stdout } = await promisify(execFile)("fish", ["-c", `source ${file}; complete -C ${JSON.stringify(line)}`])
      assert.includeMembers(
        stdout.split("\n").map((row) => row.split("\t")[0]),
        [...offered],
        line
      )
    }
  })

  it.runIf(hasProgram("zsh"))("zsh", async () => {
    const file = join(folder, "_sluice")
    writeFileSync(file, (await shell("sluice --completions zsh")).stdout)
    const script = `autoload -Uz compinit; compinit -u -D; source ${file}; print -r -- "$_comps[sluice]"`
    const { stderr, stdout } = await promisify(execFile)("zsh", ["-f", "-c", script])
    assert.strictEqual(stderr, "")
    assert.strictEqual(stdout.trim(), "_sluice")
  })
})
