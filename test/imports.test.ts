import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { expect, it } from 'vitest'

/** Folders of `src/` from the bottom to the top; those of one line do not import each other. */
const layers: readonly (readonly string[])[] = [
  ['base'],
  ['files'],
  ['graph'],
  ['nn', 'runtime'],
  ['moe', 'optim'],
  ['models'],
  ['data'],
  ['metrics'],
  ['config'],
  ['run'],
  ['tasks'],
  ['train', 'analysis', 'predict', 'export'],
  ['report'],
  ['step'],
  ['sweep'],
  ['watch'],
  ['cli'],
]

const root = fileURLToPath(new URL('..', import.meta.url))

/** Imports of another folder that are against the order, as `from -> to`, and cycles of files. */
async function violations(): Promise<string[]> {
  const { output } = await cruise(['src'], {
    baseDir: root,
    exclude: { path: '\\.test\\.ts$' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    validate: true,
    ruleSet: {
      forbidden: [
        { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
        ...layers.flatMap((layer, place) =>
          layer.map(folder => ({
            name: `${folder} imports only from below`,
            severity: 'error' as const,
            from: { path: `^src/${folder}/` },
            to: {
              path: `^src/`,
              pathNot: [folder, ...layers.slice(0, place).flat()].map(one => `^src/${one}/`),
            },
          })),
        ),
      ],
    },
  })
  const { summary, modules } = output as ICruiseResult
  expect(modules.length).toBeGreaterThan(300)
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)
}

it('imports go only downward, between folders and between files', { timeout: 60_000 }, async () => {
  const folders = readdirSync(new URL('../src', import.meta.url), { withFileTypes: true })
  expect(folders.flatMap(one => (one.isDirectory() ? [one.name] : [])).sort()).toEqual(layers.flat().sort())
  expect(await violations()).toEqual([])
})
