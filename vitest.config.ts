import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Examples import as a user would, and run from the sources here.
const source = fileURLToPath(new URL('./src', import.meta.url))

const rooms = ['src/**/*.test.ts']
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
      // What is measured is a process's memory, or the commands, which have processes of their own. Projects run in the order of
      // their names: these take longest, and the others fill what they leave.
      { extends: true, test: { name: 'commands', include: ['test/**/*.test.ts', ...memory] } },
      // One process for many files: what they import is there already. On two cores 124 s where a process a file took 174 s. So they
      // must leave the process as they found it.
      { extends: true, test: { name: 'rooms', include: rooms, exclude: memory, isolate: false } },
    ],
    // One more than there are cores in a small machine: many tests wait, for processes, disks and browsers. On two cores, before
    // there were projects, 571 s where two workers took 656 s.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
