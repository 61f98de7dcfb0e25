/**
 * The pages of the documentation as tests: what a reader would type, in the order of the page.
 *
 * A page is one shell session in a folder of its own, into which the checkout's files are linked. Comments that a reader does not see say
 * what is special about the block after them: `<!-- server -->` stays until the next server or the end, `<!-- fails -->` must fail,
 * `<!-- needs servers -->` runs where the real servers are, `<!-- not run: why -->` does not run. `<!-- setup` and shell up to `-->` runs
 * where it stands. A block without a language, or `text`, is what the block before it prints; `...` stands for anything.
 */
import { execFile, spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { clusterEnv, isLive } from "@sluice/testkit/live"
import { freePort } from "@sluice/testkit/processes"

export const root = fileURLToPath(new URL("../../../", import.meta.url))

export interface Block {
  readonly line: number
  readonly language: string
  readonly text: string
  readonly marks: ReadonlyArray<string>
}

export interface Page {
  /** From the root of the checkout. */
  readonly path: string
  readonly text: string
  readonly blocks: ReadonlyArray<Block>
}

const known = /^(server|fails|needs servers|not run: .+)$/

/** The blocks of a page; a hidden setup is a block of the language `setup`. */
export const blocksOf = (markdown: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  const pattern = /^( *)```(\w*)[^\n]*\n([\s\S]*?)^\1```$|<!--\s*([\s\S]*?)\s*-->/gm
  let marks: ReadonlyArray<string> = []
  for (const match of markdown.matchAll(pattern)) {
    const [, indent = "", language = "", text = "", comment] = match
    const line = markdown.slice(0, match.index).split("\n").length
    if (comment === undefined) {
      blocks.push({ line, language, text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""), marks })
      marks = []
    } else if (comment.startsWith("setup\n")) blocks.push({ line, language: "setup", text: comment.slice(6), marks: [] })
    else if (comment.startsWith("not run: ")) marks = [comment]
    else marks = comment.split(/,\s*/).filter((mark) => known.test(mark))
  }
  return blocks
}

const read = (path: string): Page => {
  const text = readFileSync(join(root, path), "utf8")
  return { path, text, blocks: blocksOf(text) }
}

/** Every page that a reader is sent to. */
export const pages = (): ReadonlyArray<Page> =>
  [
    ...readdirSync(root),
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((name) => join("docs", name))
  ]
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map(read)

export const isShell = ({ language }: Block): boolean => ["sh", "bash", "setup"].includes(language)
export const isOutput = ({ language }: Block): boolean => ["", "text"].includes(language)
/** Whether a block of it runs only where the real servers are. */
export const needsServers = ({ blocks }: Pick<Page, "blocks">): boolean =>
  blocks.some(({ marks }) => marks.includes("needs servers"))
export const isNotRun = ({ marks }: Block): boolean => marks.some((mark) => mark.startsWith("not run: "))

const isRun = (block: Block) =>
  (isShell(block) || isOutput(block)) && !isNotRun(block) && (!block.marks.includes("needs servers") || isLive())

const head = `set -euo pipefail
exec 2>&1
server=
stop() {
  if [ -n "$server" ]; then
    kill -TERM -- "-$server" 2>/dev/null || true
    for _ in $(seq 200); do kill -0 -- "-$server" 2>/dev/null || break; sleep 0.05; done
    server=
  fi
}
trap stop EXIT
stays() {
  stop
  set -m; bash -c "$1" >server.log 2>&1 & server=$!; set +m
  until curl -sf "http://127.0.0.1:$SLUICE_PORT/health/ready" >/dev/null; do
    kill -0 "$server" 2>/dev/null || { cat server.log; exit 1; }
    sleep 0.1
  done
  cat server.log
}
`

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

const scriptOf = ({ marks, text }: Block) => {
  if (marks.includes("server")) return `stays ${quoted(text)}\n`
  if (marks.includes("fails")) return `set +e; ( set -e\n${text}\n); code=$?; set -e; [ $code -ne 0 ]\n`
  return text
}

const linked = (folder: string) => {
  for (const name of readdirSync(root)) if (!name.startsWith(".")) symlinkSync(join(root, name), join(folder, name))
  const bin = join(folder, ".bin")
  mkdirSync(bin)
  const sluice = `exec node ${quoted(join(root, "packages/app/src/main.ts"))}`
  writeFileSync(join(bin, "sluice"), `#!/bin/sh\n${sluice} "$@"\n`)
  // The same without asking npm each time; the README's own first block is run by the real one.
  writeFileSync(join(bin, "npx"), `#!/bin/sh\n[ "$1" = sluice ] && shift && ${sluice} "$@"\nexit 64\n`)
  for (const name of readdirSync(bin)) chmodSync(join(bin, name), 0o755)
  return `${bin}:${join(root, "node_modules/.bin")}:${process.env.PATH}`
}

const separator = "\x1e"

/** What is not as the page says: empty when all is. */
export const run = async ({ blocks }: Page): Promise<ReadonlyArray<string>> => {
  const steps = blocks.filter(isRun)
  if (!steps.some(isShell)) return []
  const folder = mkdtempSync(join(tmpdir(), "sluice-docs-"))
  try {
    const port = String(await freePort())
    const servers = needsServers({ blocks: steps })
      ? Object.entries(clusterEnv()).filter(([name]) => name !== "SLUICE_ENGINES")
      : []
    const script = steps.map((block, i) =>
      [
        `printf '${separator}${i}\\n'`,
        block.marks.includes("needs servers") ? servers.map(([name, value]) => `export ${name}=${quoted(value)}`).join("\n") : "",
        isShell(block) ? scriptOf(block) : ""
      ].join("\n")
    )
    writeFileSync(join(folder, ".page.sh"), head + script.join("\n").replaceAll(":8080", `:${port}`))
    const child = spawn("bash", [".page.sh"], {
      cwd: folder,
      env: {
        ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_"))),
        PATH: linked(folder),
        SLUICE_PORT: port,
        NO_COLOR: "1"
      },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true
    })
    const late = setTimeout(() => process.kill(-child.pid!, "SIGTERM"), 120_000)
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text))
    const code = await new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)))
    clearTimeout(late)
    return faults(steps, output.replaceAll(`:${port}`, ":8080"), code)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

const faults = (steps: ReadonlyArray<Block>, output: string, code: unknown): ReadonlyArray<string> => {
  const printed = output
    .split(separator)
    .slice(1)
    .map((text) => text.slice(text.indexOf("\n") + 1))
  if (code !== 0) return [`line ${steps[printed.length - 1]?.line}: exit code ${code}\n${printed.at(-1)}`]
  let last = ""
  return steps.flatMap((block, i) => {
    if (isShell(block)) {
      if (block.language !== "setup") last = printed[i]!
      return []
    }
    return unprinted(block.text, last).map((line) => `line ${block.line}: "${line}" was not printed, but\n${last}`)
  })
}

const escaped = (line: string) =>
  line
    .trim()
    .split("...")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/\s+/g, "\\s+"))
    .join(".*")

/** The lines of `expected` that `output` does not have, in their order. */
export const unprinted = (expected: string, output: string): ReadonlyArray<string> => {
  const lines = output.split("\n")
  let from = 0
  return expected
    .split("\n")
    .filter((line) => line.trim() !== "")
    .filter((line) => {
      const pattern = new RegExp(`^\\s*${escaped(line)}\\s*$`)
      const at = lines.findIndex((printed, i) => i >= from && pattern.test(printed))
      if (at !== -1) from = at + 1
      return at === -1
    })
}

/** What the compiler says about the TypeScript of all pages. */
export const typeErrors = async (all: ReadonlyArray<Page>): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-docs-"))
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }')
    for (const { blocks, path } of all) {
      for (const { language, line, text } of blocks.filter((block) => block.language === "ts" && !isNotRun(block))) {
        writeFileSync(join(folder, `${path.replaceAll("/", "-")}-${line}.${language}`), text)
      }
    }
    const config = {
      extends: join(root, "tsconfig.json"),
      include: ["*.ts"],
      exclude: [],
      compilerOptions: { noUnusedLocals: false }
    }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
    const tsc = join(root, "node_modules/.bin/tsc")
    await promisify(execFile)(process.execPath, [tsc, "-p", folder], { cwd: folder })
    return ""
  } catch (cause) {
    return (cause as { readonly stdout?: string }).stdout ?? String(cause)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Links to files that are not there. */
export const deadLinks = ({ path, text }: Page): ReadonlyArray<string> => {
  const prose = text.replaceAll(/```[\s\S]*?```/g, "").replaceAll(/`[^`\n]*`/g, "")
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(([, link, image]) => (link ?? image)!)
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false
    const [file = "", anchor] = target.split("#")
    const at = file === "" ? path : relative(".", join(dirname(path), file))
    try {
      const there = anchor === undefined ? "" : readFileSync(join(root, at), "utf8")
      return anchor === undefined ? !existsSync(join(root, at)) : !anchorsOf(there).includes(anchor)
    } catch {
      return true
    }
  })
}

/** As GitHub makes them. */
const anchorsOf = (markdown: string) =>
  [...markdown.replaceAll(/```[\s\S]*?```/g, "").matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-")
  )
