import { defineConfig } from "vitest/config"

/** The kind of a test stands in its file name; only `unit` runs without servers (see docs/testing in CONTRIBUTING). */
const kinds = {
  live: "packages/*/test/**/*.live.test.ts",
  e2e: "packages/*/test/**/*.e2e.test.ts",
  browser: "packages/*/test/**/*.browser.test.ts"
}

const serial = (name: keyof typeof kinds, timeout: number) => ({
  test: { name, include: [kinds[name]], testTimeout: timeout, hookTimeout: timeout, fileParallelism: false }
})

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["packages/*/test/**/*.test.ts"], exclude: Object.values(kinds), testTimeout: 20_000 } },
      serial("live", 60_000),
      serial("e2e", 180_000),
      serial("browser", 180_000)
    ]
  }
})
