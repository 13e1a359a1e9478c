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
        { name: 'nothing from pages', severity: 'error', from: {}, to: { path: '^(web|playground)/' } },
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

it('imports go only downward, between folders and between files', async () => {
  const folders = readdirSync(new URL('../src', import.meta.url), { withFileTypes: true })
  expect(folders.flatMap(one => (one.isDirectory() ? [one.name] : [])).sort()).toEqual(layers.flat().sort())
  expect(await violations()).toEqual([])
})

/** What of `src/` a page may import: types and tables, and what follows from them. */
const forPages = ['report/palette', 'step/index', 'watch/differences', 'watch/protocol']

it('pages import of src/ only what is meant for them, which imports nothing from Node', async () => {
  const { output } = await cruise(['web'], {
    baseDir: root,
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    validate: true,
    ruleSet: {
      forbidden: [
        { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
        {
          name: 'only what is meant for pages',
          severity: 'error',
          from: { path: '^web/' },
          to: { pathNot: ['^web/', '^node_modules/uplot/', ...forPages.map(file => `^src/${file}\\.ts$`)] },
        },
        {
          name: 'views are of no page',
          severity: 'error',
          from: { path: '^web/views/' },
          to: { pathNot: '^web/views/' },
        },
        { name: 'nothing from Node', severity: 'error', from: {}, to: { dependencyTypes: ['core'] } },
      ],
    },
  })
  const { summary, modules } = output as ICruiseResult
  expect(modules.length).toBeGreaterThan(20)
  expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual([])
})
