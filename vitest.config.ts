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
    // One more than there are cores in a small machine: many tests wait, for processes, disks and browsers. On two cores 571 s
    // where two workers took 656 s.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
