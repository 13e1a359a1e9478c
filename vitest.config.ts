import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Examples import the package like users; here from the sources.
const source = fileURLToPath(new URL('./src', import.meta.url))

/** Tests that need a process of their own: they measure its memory, replace modules, or register components. */
const isolated = [
  'src/**/memory.test.ts',
  ...[
    'bench',
    'component-types',
    'components',
    'documented-blocks',
    'examples',
    'exhausted',
    'own-components',
  ].map(name => `test/${name}.test.ts`),
]

/** Whole trainings, and training on several engines. */
const long = [
  'src/export/export-detector.test.ts',
  'src/models/detection/learning.test.ts',
  'src/models/detection/retinanet.test.ts',
  'src/train/detector-capacity.test.ts',
  'src/train/drift.test.ts',
  'src/train/resizing.test.ts',
  'src/train/shared-step.test.ts',
  'src/train/upcycle.test.ts',
]

/** Tests of several folders that take seconds and start no process. */
const quick = ['detection-agreement', 'golden-layer', 'golden-routing', 'method', 'watch-values'].map(
  name => `test/${name}.test.ts`,
)

/** The files that take longest, longest first. */
const slowest = ['webgpu', 'detection-training', 'queue', 'resume', 'sweep', 'multi-label', 'playground'].map(
  name => `/test/${name}.test.ts`,
)

/**
 * Begins with the slowest files, so that none of them is left alone at the end. Vitest goes by earlier durations, and where there are
 * none, as in CI, by the sizes of the files.
 */
class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = slowest.findIndex(name => moduleId.endsWith(name))
      return found === -1 ? slowest.length : found
    }
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  resolve: {
    alias: [
      { find: /^moiety$/, replacement: `${source}/index.ts` },
      { find: /^moiety\/(\w+)$/, replacement: `${source}/$1/index.ts` },
    ],
  },
  test: {
    projects: [
      // Commands, browsers, Python, Redis. Projects run in the order of their names: these tests take longest, and the others fill
      // what they leave. One process runs many files, as of the unit tests: what they import is there already, and so are the
      // processes in which `moiety` of test/tiny.ts runs commands.
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/**/*.test.ts', ...long],
          exclude: [...quick, ...isolated],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'e2e-isolated', include: isolated } },
      // On two cores 124 s, with the long ones, where a process a file took 174 s. So they must leave the process as they found it.
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', ...quick],
          exclude: [...long, ...isolated],
          isolate: false,
        },
      },
    ],
    coverage: {
      include: ['src/**/*.ts'],
      // Started as processes and threads, from dist/.
      exclude: ['src/**/*.test.ts', 'src/**/index.ts'],
      reporter: ['text-summary', 'html'],
    },
    // One more than there are cores in a small machine: many tests wait for processes, disks and browsers. On two cores
    // without projects, 571 s instead of 656 s with two workers.
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
    // Nothing is slow by itself: a limit ends what hangs, on a machine that others use too. No test has another one.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 250_000 } },
  },
})
