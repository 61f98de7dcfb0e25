/** `npm run bench -- load|drop|orders`: measures against the peers in the same run, prints the ratios, writes bench/results/. */
import { existsSync } from "node:fs"

const benches = ["load", "drop", "orders"]
const [name, ...args] = process.argv.slice(2)

const usage = `Usage: npm run bench -- <${benches.join("|")}> [--json] [options]; npm run bench -- <name> --help`

const wrong = (message: string) => {
  console.error(`${message}\n${usage}`)
  process.exitCode = 2
}

if (name === "--help" || name === "-h") console.log(usage)
else if (name === undefined || !benches.includes(name)) wrong(name === undefined ? "Which one?" : `There is no bench ${name}.`)
else {
  const file = new URL(`${name}.ts`, import.meta.url)
  if (!existsSync(file)) wrong(`The bench ${name} is not there yet.`)
  else {
    const bench: { readonly run: (args: ReadonlyArray<string>) => Promise<void> } = await import(file.href)
    try {
      await bench.run(args)
    } catch (error) {
      const isUsage = String((error as { code?: unknown }).code).startsWith("ERR_PARSE_ARGS")
      console.error(isUsage ? `${(error as Error).message}\n${usage}` : error)
      process.exitCode = isUsage ? 2 : 1
    }
  }
}
