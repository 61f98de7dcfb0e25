import { defineConfig } from "vitest/config"

/** The kind of a test stands in its file name: what each needs is in CONTRIBUTING. */
const kinds = {
  live: "packages/*/test/**/*.live.test.ts",
  e2e: "packages/*/test/**/*.e2e.test.ts",
  process: "packages/*/test/**/*.process.test.ts",
  browser: "packages/*/test/**/*.browser.test.ts"
}

const serial = (name: keyof typeof kinds, timeout: number, groupOrder = 0) => ({
  test: {
    name,
    include: [kinds[name]],
    testTimeout: timeout,
    hookTimeout: timeout,
    fileParallelism: false,
    sequence: { groupOrder }
  }
})

export default defineConfig({
  test: {
    projects: [
      // Many wait for a clock or a socket more than they work.
      {
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts"],
          exclude: Object.values(kinds),
          testTimeout: 20_000,
          maxWorkers: 4
        }
      },
      serial("process", 180_000),
      serial("browser", 180_000),
      serial("e2e", 180_000, 1),
      // They share the servers without harm to each other, and wait for them more than they work.
      {
        test: {
          name: "live",
          include: [kinds.live],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
