import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { lockOwner } from '../src/run/lock.ts'
import {
  command,
  fingerprint,
  heldAt,
  lastStep,
  moiety,
  newFolder,
  start,
  tinyConfig,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/** Sweeps through the command line: what is skipped, gone on with, tried again and refused. */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'))
const training = { epochs: 2, batch: 16, checkpointEvery: { steps: 2 }, keepCheckpoints: 2 }
// Small: most of the time goes into beginning, and these tests begin often.
const model = {
  name: 'resnet18',
  width: 4,
  moe: [{ style: 'resblock', position: 4, experts: 2, k: 2 }],
}
writeRecipe(folder, { ...tinyConfig(data), model, training })

const grid = { 'model.moe.0.constraint.name': ['importance', 'relative'] }

/** Writes a sweep of the tiny recipe. */
function writeSweep(name: string, fields: object = {}): string {
  const file = join(folder, `${name}.json`)
  const sweep = { name, title: 'Tiny <grid>', recipe: 'recipe.json', grid, seeds: [1, 2], ...fields }
  writeFileSync(file, JSON.stringify(sweep))
  return file
}

const runsOf = (sweep: string): string[] =>
  (existsSync(sweep) ? readdirSync(sweep) : []).filter(name => existsSync(join(sweep, name, 'config.json')))

const bits = (sweep: string): Record<string, ReturnType<typeof fingerprint>> =>
  Object.fromEntries(runsOf(sweep).map(name => [name, fingerprint(join(sweep, name))]))

/** The processes that train in a sweep's folders. */
const trainers = (sweep: string): number[] =>
  runsOf(sweep).flatMap(name => lockOwner(join(sweep, name))?.pid ?? [])

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie has ended; its parent has not asked yet.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await pause(5)
}

const file = writeSweep('tiny')
const control = join(folder, 'control')
let expected: ReturnType<typeof bits>

beforeAll(async () => {
  const { code, stderr, stdout } = await moiety('sweep', file, '--out', control, '--no-trial')
  expect(code, stderr).toBe(0)
  expect(stdout).toContain('Done: 4 of 4 runs finished')
  expected = bits(control)
  expect(Object.keys(expected)).toHaveLength(4)
})

describe('a finished sweep', () => {
  it('has a folder a run, named by what differs, seed and hash', () => {
    const names = Object.keys(expected)
    for (const name of names) expect(name).toMatch(/^constraint-(importance|relative)-seed-[12]-[0-9a-f]{8}$/)
    expect(readdirSync(join(control, 'logs'))).toEqual(names.map(name => `${name}.log`))
    expect(readdirSync(join(control, 'recipes'))).toEqual([])
  })

  it('is not trained again by a second call', async () => {
    const times = () => runsOf(control).map(name => statSync(join(control, name, 'summary.json')).mtimeMs)
    const before = times()
    const { code, stderr } = await moiety('sweep', file, '--out', control)
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('4 runs in')
    expect(stderr).not.toContain('started')
    expect(times()).toEqual(before)
  })

  it('trains what a grown file adds, and nothing else', async () => {
    const grown = join(folder, 'grown')
    const one = writeSweep('growing', { seeds: [1], grid: { 'model.moe.0.constraint.name': ['kl'] } })
    expect((await moiety('sweep', one, '--out', grown, '--no-trial')).code).toBe(0)
    writeSweep('growing', { seeds: [1], grid: { 'model.moe.0.constraint.name': ['none', 'kl'] } })
    const { code, stderr } = await moiety('sweep', one, '--out', grown, '--no-trial')
    expect(code, stderr).toBe(0)
    expect(stderr.match(/^started/gm)).toHaveLength(1)
    expect(stderr).toContain('started  constraint-none-seed-1')
  })
})

describe('a sweep that is killed, interrupted, and gone on with', () => {
  it('leaves no process behind either time, and ends with the bits of one that was left alone', async () => {
    const sweep = join(folder, 'killed')
    const words = ['sweep', file, '--out', sweep, '--jobs', '2', '--no-trial']
    /** Starts it, and waits until both runs are at that step, where they are held. */
    const startedTo = async (step: number) => {
      const { environment, release } = heldAt(step)
      const sweeping = start(words, undefined, undefined, environment)
      const areThere = () => runsOf(sweep).filter(name => lastStep(join(sweep, name)) === step).length === 2
      await until(() => areThere() && trainers(sweep).length === 2)
      return { ...sweeping, release }
    }

    const killed = await startedTo(3)
    const orphans = trainers(sweep)
    killed.child.kill('SIGKILL')
    expect((await killed.ended).signal).toBe('SIGKILL')
    killed.release()
    // Their channel to the sweep is gone: each writes a checkpoint and ends.
    await until(() => !orphans.some(lives))

    const interrupted = await startedTo(10)
    const children = trainers(sweep)
    interrupted.child.kill('SIGINT')
    interrupted.release()
    const { code, stderr, stdout } = await interrupted.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toContain('resumed  ')
    expect(stderr).toContain('stopping all runs')
    expect(stdout).toContain('The same command continues')
    expect(children.some(lives)).toBe(false)
    expect(trainers(sweep)).toEqual([])

    const last = await moiety(...words)
    expect(last.code, last.stderr).toBe(0)
    expect(bits(sweep)).toEqual(expected)
    expect(existsSync(join(sweep, 'failures.jsonl'))).toBe(false)
  })
})

describe('two sweeps in one folder', () => {
  it('are one, and a message that names the other', async () => {
    const sweep = join(folder, 'twice')
    const first = start(['sweep', file, '--out', sweep, '--no-trial'])
    // A file of the sweep would not be enough: it is written before the sweep listens to signals.
    await until(() => first.said().includes('started  '))
    const { code, stderr } = await moiety('sweep', file, '--out', sweep)
    expect(code).toBe(2)
    expect(stderr).toContain(`another sweep is running in ${sweep}: process ${first.child.pid}`)
    first.child.kill('SIGTERM')
    expect((await first.ended).code).toBe(143)
  })
})

describe('a run that fails', () => {
  const sweep = join(folder, 'failing')
  const failing = writeSweep('failing', {
    grid: { 'optimizer.learningRate': [0.003, 1000] },
    set: { 'optimizer.name': 'sgd' },
    seeds: [1],
    retries: 1,
    baseline: { learningRate: 0.003 },
  })
  const failure = z.object({ run: z.string(), exitCode: z.int(), message: z.string(), attempt: z.int() })

  it('is reported, tried again after the others as often as the file says, and ends the sweep with code 6', async () => {
    const { code, stderr, stdout } = await moiety('sweep', failing, '--out', sweep, '--no-trial')
    expect(code, stderr).toBe(6)
    expect(stdout).toContain('Ended: 1 of 2 runs finished, 1 failed')
    expect(stderr).toContain('it comes again after the others')
    const lines = readFileSync(join(sweep, 'failures.jsonl'), 'utf8').trimEnd().split('\n')
    const failures = lines.map(line => failure.parse(JSON.parse(line)))
    expect(failures.map(({ exitCode, attempt }) => [exitCode, attempt])).toEqual([
      [4, 1],
      [4, 2],
    ])
    expect(failures[0]?.run).toMatch(/^learningRate-1000-seed-1/)
    expect(failures[0]?.message).toMatch(/not finite|Infinity|NaN/)
  })

  it('is told in every table, and in no mean', async () => {
    const text = await start(['table', sweep]).ended
    expect(text.code, text.stderr).toBe(0)
    expect(text.stdout).toMatch(/1000 +1 failed/)
    expect(text.stdout).toContain('1 of 2 runs are in no mean: 1 failed.')
    const { stdout } = await moiety('table', sweep, '--json')
    const told = z.object({ runs: z.array(z.object({ status: z.string() })) }).parse(JSON.parse(stdout))
    expect(told.runs.map(({ status }) => status)).toEqual(['done', 'failed'])
  })

  it('is tried again by the next call, as often as by the first', async () => {
    const { code, stderr } = await moiety('sweep', failing, '--out', sweep, '--no-trial', '--json')
    expect(code, stderr).toBe(6)
    expect(readFileSync(join(sweep, 'failures.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(4)
  })
})

describe('the trial', () => {
  it('tells about how long it will take, and leaves nothing behind', async () => {
    const temporary = join(folder, 'temporary')
    mkdirSync(temporary)
    const one = writeSweep('tried', { seeds: [1], grid: {} })
    const words = ['sweep', one, '--out', join(folder, 'tried')]
    const { code, stderr } = await start(words, process.execPath, [command], { TMPDIR: temporary }).ended
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/about \d+ s, by a short trial of the first run/)
    expect(readdirSync(temporary).filter(name => name.startsWith('moiety-trial-'))).toEqual([])
  })

  it('finds data that cannot be read before anything has started, exit code 3', async () => {
    const broken = writeTinyCifar(join(folder, 'broken'))
    rmSync(join(broken, 'test.bin'))
    const sweep = join(folder, 'no-data')
    const { code, stderr } = await moiety('sweep', file, '--out', sweep, '--data', broken)
    expect(code).toBe(3)
    expect(stderr).toContain('a short trial failed: ')
    expect(stderr).toContain('test.bin')
    expect(runsOf(sweep)).toEqual([])
  })
})

describe('--dry-run', () => {
  it('prints the plan and writes nothing', async () => {
    const { code, stdout } = await moiety('sweep', file, '--out', join(folder, 'dry'), '--dry-run')
    expect(code).toBe(0)
    expect(stdout).toContain('4 runs of the recipe tiny')
    expect(stdout).toContain('constraint  importance  relative')
    expect(existsSync(join(folder, 'dry'))).toBe(false)
  })

  it("counts the paper's grid without its data", async () => {
    const { code, stdout } = await moiety('sweep', 'paper/cifar100', '--dry-run', '--json')
    expect(code).toBe(0)
    expect(z.object({ runs: z.array(z.unknown()) }).parse(JSON.parse(stdout)).runs).toHaveLength(144)
  })
})

describe('a hostile sweep', () => {
  const raw = (name: string, text: string): string => {
    const path = join(folder, `${name}.json`)
    writeFileSync(path, text)
    return path
  }
  it.each<[string, () => string[], string]>([
    ['no such file', () => ['nowhere.json'], 'there is no such file'],
    ['no such sweep', () => ['small/cifar10'], 'did you mean small/cifar100?'],
    ['no JSON', () => [raw('text', '{"name": ')], 'the sweep is not JSON'],
    ['a list', () => [raw('list', '[]')], 'a sweep must be an object, got an empty list'],
    ['an empty file', () => [raw('empty', '')], 'the sweep is not JSON'],
    [
      'a huge file',
      () => [raw('huge', ' '.repeat(1_000_001))],
      'the sweep cannot be read: expected at most 1.0 MB',
    ],
    [
      'deep nesting',
      () => [raw('deep', `{"grid": {"a": ${'['.repeat(5000)}${']'.repeat(5000)}}}`)],
      'nested too deep',
    ],
    [
      'a name that leads out',
      () => [writeSweep('../evil-name'.slice(3), { name: '../evil' })],
      'small letters',
    ],
    ['no recipe of that name', () => [writeSweep('no-recipe', { recipe: 'smaple' })], 'did you mean sample?'],
    [
      'a recipe that is missing',
      () => [writeSweep('lost', { recipe: 'lost-recipe.json' })],
      'there is no such file',
    ],
    ['an unknown key', () => [writeSweep('typo', { sedes: [1] })], 'did you mean seeds?'],
    [
      'a value that no training takes',
      () => [writeSweep('zero', { grid: { 'model.moe.0.k': [2, 5] } })],
      'K > E',
    ],
    ['no seeds', () => [writeSweep('seedless', { seeds: undefined })], 'seeds in'],
    ['negative retries', () => [writeSweep('retries', { retries: -1 })], 'retries in'],
    ['a word for --jobs', () => [file, '--jobs', 'all'], 'expected a whole number from 1'],
    ['no folder', () => [file, '--out', ' '], 'came an empty name'],
    ['no data', () => [writeSweep('homeless', { set: { 'data.directory': null } })], 'add --data DIR'],
    [
      'another sweep’s folder',
      () => [writeSweep('other'), '--out', control],
      'holds the sweep tiny, not other',
    ],
  ])('%s is refused with code 2', async (_, words, message) => {
    const before = readdirSync(folder).filter(name => !name.endsWith('.json'))
    const given = words()
    const out = given.includes('--out') ? [] : ['--out', join(folder, 'refused')]
    const { code, stdout, stderr } = await moiety('sweep', ...given, ...out)
    expect([code, stdout], stderr).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(readdirSync(folder).filter(name => !name.endsWith('.json'))).toEqual(before)
  })

  it('run whose configuration somebody has changed is refused, and is no result', async () => {
    const sweep = join(folder, 'twice')
    const [name = ''] = Object.keys(expected)
    rmSync(sweep, { recursive: true, force: true })
    mkdirSync(join(sweep, name), { recursive: true })
    const config = readFileSync(join(control, name, 'config.json'), 'utf8')
    writeFileSync(join(sweep, name, 'config.json'), config.replace('"epochs": 2', '"epochs": 9'))
    writeFileSync(join(sweep, name, 'summary.json'), readFileSync(join(control, name, 'summary.json')))
    writeFileSync(join(sweep, 'sweep.json'), readFileSync(join(control, 'sweep.json')))
    const { code, stderr } = await moiety('sweep', file, '--out', sweep)
    expect(code).toBe(2)
    expect(stderr).toContain('config.json is not the planned configuration')
    const { stdout } = await moiety('table', sweep)
    expect(stdout).toContain('4 of 4 runs are in no mean: 1 altered, 3 missing.')
  })
})

describe('moiety table', () => {
  it('writes every format', async () => {
    for (const format of ['text', 'markdown', 'latex', 'csv', 'parquet', 'html']) {
      const out = join(folder, 'tables', `table.${format}`)
      const { code, stderr } = await moiety('table', control, '--format', format, '--out', out)
      expect(code, stderr).toBe(0)
      expect(statSync(out).size).toBeGreaterThan(100)
    }
    const page = readFileSync(join(folder, 'tables', 'table.html'), 'utf8')
    expect(page).toContain('Tiny &lt;grid&gt;')
    expect(page.match(/<svg role="img"/g)?.length).toBeGreaterThan(3)
  })

  it('has a line a run on request, which it reads again, and numbers by their path', async () => {
    const out = join(folder, 'tables', 'runs.csv')
    const values = 'top1,summary.layers.layer4.importance.0'
    const words = ['--rows', 'runs', '--value', values, '--format', 'csv', '--out', out]
    expect((await moiety('table', control, ...words)).code).toBe(0)
    const [head, ...lines] = readFileSync(out, 'utf8').trimEnd().split('\r\n')
    expect(head).toMatch(/^run,.*,seed,status,top1,summary\.layers\.layer4\.importance\.0$/)
    expect(lines).toHaveLength(4)
    const cells = async (place: string): Promise<unknown> => {
      const { stdout } = await moiety('table', place, '--value', 'top1', '--baseline', 'none', '--json')
      return (JSON.parse(stdout) as { cells: { mean: number }[][] }).cells.map(row =>
        row.map(one => one.mean),
      )
    }
    expect(await cells(out)).toEqual(await cells(control))
  })

  it('writes the charts of its page for documents', async () => {
    const charts = join(folder, 'charts')
    const { code, stderr } = await moiety('table', control, '--charts', charts)
    expect(code, stderr).toBe(0)
    expect(readdirSync(charts)).toEqual(
      expect.arrayContaining(['balance-84mm.svg', 'seconds-174mm.pdf', 'utilization.csv']),
    )
  })

  it.each<[string[], string]>([
    [['nowhere'], 'this is not a sweep'],
    [[control, '--rows', 'runs', '--format', 'html'], 'a table of runs is no page'],
    [[control, '--value', 'report.loss'], 'no run of this sweep has a report.json'],
    [
      [control, '--value', 'summary.layers.layer4.importanc.0'],
      'did you mean summary.layers.layer4.importance?',
    ],
    [[control, '--rows', 'constrain'], 'did you mean constraint?'],
    [[control, '--value', 'top'], 'did you mean top1?'],
    [[control, '--format', 'latx'], 'did you mean latex?'],
    [[control, '--format', 'parquet'], 'add --out'],
    [[control, '--baseline', 'constraint'], 'expected a=b'],
    [[control, '--columns', ','], 'expected names'],
  ])('refuses %j with code 2', async (words, message) => {
    const { code, stdout, stderr } = await moiety('table', ...words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  it('says of a sweep.json that was damaged which it is, exit code 5', async () => {
    const sweep = join(folder, 'damaged')
    mkdirSync(sweep)
    writeFileSync(join(sweep, 'sweep.json'), '{"format": 1')
    const { code, stderr } = await moiety('table', sweep)
    expect(code).toBe(5)
    expect(stderr).toContain('sweep.json is not what moiety sweep writes')
  })
})
