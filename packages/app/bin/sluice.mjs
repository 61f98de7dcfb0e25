#!/usr/bin/env node
/**
 * What `npx sluice` runs in the checkout, also as the first command on a fresh clone: installs what is missing, and then runs the command
 * on the Node.js that the repository brings with it.
 */

import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import "./install.mjs"

// npx passes a signal on to the shell that it started this by, and that shell to nobody: when it is gone, the end is meant for the command.
if (process.env.npm_command === "exec") {
  const parent = process.ppid
  setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGTERM"), 250).unref()
}

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const node = path("../../../node_modules/.bin/node")

if (process.versions.node.startsWith("24.")) {
  await import("./start.mjs")
} else {
  const child = spawn(node, [path("../src/main.ts"), ...process.argv.slice(2)], { stdio: "inherit" })
  // Whoever sends a signal to this process means the command. Ctrl-C of a terminal goes to both, and is to arrive there once.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"))
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
  child.on("error", (error) => {
    console.error(`${node}: ${error.message}`)
    process.exit(1)
  })
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}
