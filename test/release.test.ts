import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

interface Checkout {
  readonly manifest: Readonly<Record<string, unknown>>
  readonly changelog: string
  readonly changes: string
  readonly tags: readonly string[]
}

function reasons(checkout: Checkout): string[] {
  const program = `import { reasonsAgainst } from './scripts/release.js'
    console.log(JSON.stringify(reasonsAgainst(${JSON.stringify(checkout)})))`
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }),
  )
}

const manifest: Readonly<Record<string, unknown>> = JSON.parse(readFileSync('package.json', 'utf8'))
const address = 'https://github.com/somebody/moiety'
const ready: Checkout = {
  manifest: {
    ...manifest,
    version: '1.2.3',
    repository: { url: `${address}.git` },
    bugs: address,
    homepage: address,
  },
  changelog: '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n### Added\n\n- All.\n',
  changes: '',
  tags: ['v1.2.3'],
}

describe('npm run release', () => {
  it('finds nothing against a checkout that is ready', () => {
    expect(reasons(ready)).toEqual([])
  })

  it('refuses placeholders in place of addresses', () => {
    const placeholder = 'https://github.com/OWNER/moiety'
    const fields = { repository: { url: placeholder }, bugs: placeholder, homepage: placeholder }
    const found = reasons({ ...ready, manifest: { ...ready.manifest, ...fields } })
    expect(found.map(text => text.split(' ')[0])).toEqual(['"repository"', '"bugs"', '"homepage"'])
  })

  it.each<[Partial<Checkout>, string]>([
    [{ manifest: { ...ready.manifest, private: true } }, 'private'],
    [{ changes: ' M src/index.ts\n' }, 'uncommitted changes:\n M src/index.ts'],
    [{ tags: ['v1.2.2'] }, 'no tag v1.2.3'],
    [{ changelog: ready.changelog.replace('[1.2.3]', '[1.2.2]') }, 'has no "## [1.2.3] - YYYY-MM-DD"'],
    [
      { changelog: ready.changelog.replace('[Unreleased]\n', '[Unreleased]\n\n- More.\n') },
      'entries under "Unreleased"',
    ],
  ])('refuses %j', (change, message) => {
    const [reason, ...more] = reasons({ ...ready, ...change })
    expect(reason).toContain(message)
    expect(more).toEqual([])
  })

  const isPlaceholder = JSON.stringify(manifest.repository).includes('OWNER')
  it.runIf(isPlaceholder)('refuses this checkout, which has placeholders', () => {
    const words = ['scripts/release.js', '--check']
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^This cannot be released:\n- "repository" in package.json is a placeholder/)
  })
})

const step = z.object({ uses: z.string().optional(), run: z.string().optional() })
const job = z.object({
  strategy: z.object({ matrix: z.record(z.string(), z.unknown()) }).optional(),
  steps: z.array(step),
})
const workflow = z.object({ permissions: z.record(z.string(), z.string()), jobs: z.record(z.string(), job) })
const read = (name: string) => workflow.parse(parse(readFileSync(`.github/workflows/${name}.yml`, 'utf8')))

describe('the workflows', () => {
  it('test on Linux, macOS and Windows with Node 20, 22 and 24', () => {
    const { jobs } = read('test')
    expect(jobs.test?.strategy?.matrix).toMatchObject({
      os: ['ubuntu-latest', 'macos-latest', 'windows-latest'],
      node: [20, 22, 24],
    })
  })

  it('publish with provenance, which needs an identity', () => {
    expect(read('release').permissions).toEqual({ contents: 'read', 'id-token': 'write' })
    expect(readFileSync('scripts/release.js', 'utf8')).toContain("'--provenance'")
  })

  it.each(['test', 'release'])('%s runs scripts that package.json has', name => {
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(manifest)
    const lines = Object.values(read(name).jobs).flatMap(each =>
      each.steps.flatMap(({ run = '' }) => run.split('\n')),
    )
    const named = lines.flatMap(line => /npm run (?:--silent )?([\w:]+)/.exec(line)?.[1] ?? [])
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(one => scripts[one] === undefined)).toEqual([])
  })
})
