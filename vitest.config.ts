import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Examples import as a user would, and run from the sources here.
const source = fileURLToPath(new URL('./src', import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^moiety$/, replacement: `${source}/index.ts` },
      { find: /^moiety\/(\w+)$/, replacement: `${source}/$1/index.ts` },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Two cores are shared by the tests and by the engine's own threads.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
