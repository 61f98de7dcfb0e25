/**
 * Builds `src` into `public/console.js` and `public/console.css`, which are kept in the repository: serving the console needs no build and
 * no package. A test builds again and compares.
 */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  publicDir: false,
  logLevel: "warn",
  build: {
    outDir: "public",
    emptyOutDir: false,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    rolldownOptions: {
      input: "src/main.tsx",
      output: {
        entryFileNames: "console.js",
        assetFileNames: "console[extname]",
        postBanner: "/*! Sluice (MIT), with Preact (MIT, Copyright (c) 2015-present Jason Miller) */"
      }
    }
  }
})
