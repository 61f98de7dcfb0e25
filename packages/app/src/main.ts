#!/usr/bin/env node
/** The command sluice. What was compiled once is kept, which halves the start. */
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"

enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/sluice", import.meta.url)))
await import("./cli.ts")
