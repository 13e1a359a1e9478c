import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Tests of the built site, which `npm run docs` runs after it has built it. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: { include: ['test/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
})
