/**
 * Starts the command line with what earlier starts have found out: compiled code (Node's own cache), and where each import leads. Most of
 * a start is spent on the latter, several hundred times; kept, it takes half the time.
 *
 * What is kept holds for one installation and one set of packages here: within these an import leads to the same file as long as its text
 * stays. Nothing is kept of files elsewhere. A folder that can't be written, or what is no JSON, only costs time.
 */
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { enableCompileCache, registerHooks } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const rootUrl = pathToFileURL(root).href
const cache = `${root}node_modules/.cache/sluice`
enableCompileCache(cache)

/** Of all that decides where a name leads. */
const stamp = () =>
  [
    `${root}node_modules/.package-lock.json`,
    ...readdirSync(`${root}packages`).map((name) => `${root}packages/${name}/package.json`)
  ].reduce((text, file) => `${text} ${statSync(file, { throwIfNoEntry: false })?.mtimeMs}`, process.version)

const read = (file) => {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8"))
    return kept.stamp === stamp() ? (kept.imports ?? {}) : {}
  } catch {
    return {}
  }
}

const keepImports = (name) => {
  const file = `${cache}/imports-${name}.json`
  const imports = read(file)
  let isChanged = false
  registerHooks({
    resolve(specifier, context, next) {
      const { conditions, parentURL } = context
      if (parentURL === undefined || !parentURL.startsWith(rootUrl) || specifier.startsWith("node:"))
        return next(specifier, context)
      const parent = parentURL.slice(rootUrl.length)
      const key = conditions.includes("require") ? `require ${specifier}` : specifier
      const known = imports[parent]?.[key]
      if (known !== undefined) return { url: rootUrl + known[0], format: known[1], shortCircuit: true }
      const found = next(specifier, context)
      if (found.url.startsWith(rootUrl) && typeof found.format === "string") {
        imports[parent] = { ...imports[parent], [key]: [found.url.slice(rootUrl.length), found.format] }
        isChanged = true
      }
      return found
    }
  })
  process.on("exit", () => {
    if (!isChanged) return
    try {
      writeFileSync(`${file}.${process.pid}`, JSON.stringify({ stamp: stamp(), imports }))
      renameSync(`${file}.${process.pid}`, file)
    } catch {}
  })
}

const [command = ""] = process.argv.slice(2)
if (/^[a-z]{1,20}$/.test(command)) keepImports(command)
await import("../src/cli.ts")
