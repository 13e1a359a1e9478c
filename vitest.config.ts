import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Examples import the package like users; here from the sources.
const source = fileURLToPath(new URL('./src', import.meta.url))

const unit = ['src/**/*.test.ts']
const memory = ['src/**/memory.test.ts']

export default defineConfig({
  resolve: {
    alias: [
      { find: /^moiety$/, replacement: `${source}/index.ts` },
      { find: /^moiety\/(\w+)$/, replacement: `${source}/$1/index.ts` },
    ],
  },
  test: {
    projects: [
      // Tests of a process's memory, and of commands, which run in their own processes. Projects run in the order of
      // their names: these take longest, and the others fill the gaps.
      { extends: true, test: { name: 'commands', include: ['test/**/*.test.ts', ...memory] } },
      // One process for many files shares their imports: 124 s on two cores instead of 174 s with a process per file. So tests must
      // restore global state.
      { extends: true, test: { name: 'unit', include: unit, exclude: memory, isolate: false } },
    ],
    // One more than there are cores in a small machine: many tests wait for processes, disks and browsers. On two cores
    // without projects, 571 s instead of 656 s with two workers.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
