import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Job } from 'kubernetes-models/batch/v1/Job'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
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

/** Files for clusters: valid, and what they start trains, stops and continues. */
const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0
if (!hasShellcheck) process.stderr.write('no shellcheck: scripts for Slurm are not checked by it\n')

const folder = join(newFolder(), "it's a folder")
mkdirSync(folder)
const data = writeTinyCifar(join(folder, 'data'), { train: 80 })
const training = { epochs: 6, batch: 16, checkpointEvery: { steps: 2 }, keepCheckpoints: 2 }
const model = { name: 'resnet18', width: 4, moe: [{ style: 'resblock', position: 4, experts: 2, k: 2 }] }
writeRecipe(folder, { ...tinyConfig(data), model, training })
const file = join(folder, 'tiny.json')
writeFileSync(
  file,
  JSON.stringify({
    name: 'tiny',
    title: 'Tiny “grid”\n#SBATCH --oops',
    recipe: 'recipe.json',
    grid: { 'model.moe.0.constraint.name': ['importance', 'relative'] },
    seeds: [1],
  }),
)
const runsOf = (sweep: string): string[] =>
  readdirSync(sweep).filter(name => existsSync(join(sweep, name, 'config.json')))
const bits = (sweep: string) =>
  Object.fromEntries(runsOf(sweep).map(name => [name, fingerprint(join(sweep, name))]))

describe('moiety sweep --emit slurm, and --run', () => {
  const sweep = join(folder, 'slurm')
  const script = join(sweep, 'slurm.sh')
  const stub = join(folder, 'bin')
  const environment = {
    PATH: `${stub}:${process.env.PATH}`,
    SLURM_ARRAY_JOB_ID: '7',
    SLURM_CPUS_PER_TASK: '1',
  }
  const namedIn = (text: string): string[] =>
    /^runs=\(\n([^)]*)\n\)$/m
      .exec(text)?.[1]
      ?.split('\n')
      .map(line => line.trim()) ?? []
  const task = (index: number, more: NodeJS.ProcessEnv = {}) =>
    start([script], 'bash', [], { ...environment, ...more, SLURM_ARRAY_TASK_ID: String(index) })

  beforeAll(async () => {
    const { code, stdout, stderr } = await moiety(
      'sweep',
      file,
      '--out',
      sweep,
      '--emit',
      'slurm',
      '--threads',
      '1',
    )
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('Then: sbatch')
    mkdirSync(stub)
    writeFileSync(
      join(stub, 'scontrol'),
      `#!/bin/sh\necho "$@" >> '${folder.replaceAll("'", `'\\''`)}/requeued'\n`,
      {
        mode: 0o755,
      },
    )
  })

  it.runIf(hasShellcheck)('writes a script in which ShellCheck finds nothing', () => {
    const { status, stdout } = spawnSync('shellcheck', [script], { encoding: 'utf8' })
    expect(status, stdout).toBe(0)
  })

  it('has a task for each run, and no option that a title smuggles in', () => {
    const lines = readFileSync(script, 'utf8').split('\n')
    expect(lines.filter(line => line.startsWith('#SBATCH'))).toEqual([
      '#SBATCH --job-name=moiety-tiny',
      '#SBATCH --array=0-1%2',
      '#SBATCH --cpus-per-task=1',
      `#SBATCH --output="${sweep}/logs/slurm-%A-%a.log"`,
      '#SBATCH --open-mode=append',
      '#SBATCH --mem=8G',
      '#SBATCH --time=04:00:00',
      '#SBATCH --signal=B:USR1@120',
      '#SBATCH --requeue',
    ])
    const names = namedIn(readFileSync(script, 'utf8'))
    expect(names).toHaveLength(2)
    expect(names[0]).toMatch(/^constraint-importance-seed-1-/)
    expect(existsSync(join(sweep, 'runs.txt'))).toBe(false)
  })

  it('a folder of images that is named relatively has the runs of the whole path, which is what a task is told', async () => {
    const images = join(folder, 'images')
    mkdirSync(images)
    const own = join(folder, 'of-images.json')
    const recipe = join(folder, 'images-recipe.json')
    const config = { ...tinyConfig(images), data: { name: 'folder', directory: images }, model, training }
    const base = { title: 'Images', description: 'for tests' }
    writeFileSync(recipe, JSON.stringify({ ...base, name: 'images', config, reached: null }))
    writeFileSync(own, JSON.stringify({ ...base, name: 'images', recipe: 'images-recipe.json', seeds: [1] }))
    const named = async (out: string, where: string): Promise<string[]> => {
      const words = ['sweep', own, '--out', join(folder, out), '--emit', 'slurm', '--data', where]
      const { code, stderr } = await start(words, process.execPath, [command], {}, folder).ended
      expect(code, stderr).toBe(0)
      const text = readFileSync(join(folder, out, 'slurm.sh'), 'utf8')
      expect(text).toContain(`'${images.replaceAll("'", `'\\''`)}'`)
      return namedIn(text)
    }
    const relative = await named('relative', 'images')
    expect(relative).toHaveLength(1)
    expect(relative).toEqual(await named('absolute', images))
  })

  it.each(['a\ntouch owned', 'a\u202eb', 'a\\b', 'a\u0007b'])(
    'refuses the folder %j, which a line for sbatch cannot hold, and makes nothing',
    async name => {
      const out = join(folder, name)
      const { code, stderr } = await moiety('sweep', file, '--out', out, '--emit', 'slurm')
      expect(code, stderr).toBe(2)
      expect(stderr).toContain('use another --out')
      for (const raw of ['\ntouch', '\u202e', '\u0007']) expect(stderr).not.toContain(raw)
      expect(existsSync(out)).toBe(false)
    },
  )

  it("a data set's name is no folder of that name", async () => {
    const out = join(folder, 'drawn')
    mkdirSync(join(folder, 'scenes'))
    const words = ['sweep', 'small/scenes', '--out', out, '--emit', 'slurm', '--data', 'scenes']
    const { code, stderr } = await start(words, process.execPath, [command], {}, folder).ended
    expect(code, stderr).toBe(0)
    expect(readFileSync(join(out, 'slurm.sh'), 'utf8')).toMatch(/^ {2}--data\n {2}scenes$/m)
  })

  it('more runs than an array may have tasks are several arrays; what an earlier call wrote is gone', async () => {
    const out = join(folder, 'limited')
    const written = async (...words: string[]) => {
      const emit = ['sweep', file, '--out', out, '--emit', 'slurm', ...words]
      const { code, stdout, stderr } = await moiety(...emit)
      expect(code, stderr).toBe(0)
      return { stdout, files: readdirSync(out).filter(name => name.endsWith('.sh')) }
    }
    const parts = await written('--array-limit', '1')
    expect(parts.files).toEqual(['slurm-1.sh', 'slurm-2.sh', 'slurm-submit.sh'])
    expect(parts.stdout).toMatch(/Then: bash .*slurm-submit\.sh/)
    for (const name of hasShellcheck ? parts.files : []) {
      const { status, stdout } = spawnSync('shellcheck', [join(out, name)], { encoding: 'utf8' })
      expect(status, stdout).toBe(0)
    }
    expect((await written()).files).toEqual(['slurm.sh'])
  })

  it('tasks run in an image that sees the folders which they read and write', async () => {
    const out = join(folder, 'in-image')
    const emit = ['sweep', file, '--out', out, '--emit', 'slurm', '--image', 'docker://example/moiety:1']
    const { code, stderr } = await moiety(...emit)
    expect(code, stderr).toBe(0)
    const [, words = ''] = /^moiety=\(\n([^)]*)\n\)$/m.exec(readFileSync(join(out, 'slurm.sh'), 'utf8')) ?? []
    expect(words).toMatch(
      /^ {2}apptainer\n {2}exec\n {2}--bind\n.*in-image'?\n {2}--bind\n.*\n {2}docker:\/\/example\/moiety:1\n {2}moiety\n {2}sweep\n/,
    )
  })

  it('a task whose time is over leaves a checkpoint and queues itself again; the next ends with the bits of a sweep', async () => {
    const held = heldAt(3)
    const first = task(0, held.environment)
    while (!runsOf(sweep).some(name => lastStep(join(sweep, name)) === 3)) await pause(5)
    first.child.kill('SIGUSR1')
    held.release()
    const stopped = await first.ended
    expect(stopped.code, stopped.stderr).toBe(129)
    expect(readFileSync(join(folder, 'requeued'), 'utf8')).toBe('requeue 7_0\n')
    const second = await task(0).ended
    expect(second.code, second.stderr).toBe(0)
    const again = await task(0).ended
    expect(again.code, again.stderr).toBe(0)
    expect(again.stdout).toContain('is finished already')

    // By its number in the plan, without a script and left alone.
    const control = join(folder, 'control')
    const alone = await moiety('sweep', file, '--out', control, '--run', '0', '--threads', '1')
    expect(alone.code, alone.stderr).toBe(0)
    expect(bits(sweep)).toEqual(bits(control))
    // A finished run needs no task.
    const rest = await moiety('sweep', file, '--out', sweep, '--emit', 'slurm')
    expect(rest.code, rest.stderr).toBe(0)
    const [left = '', ...others] = namedIn(readFileSync(script, 'utf8'))
    expect(left).toMatch(/^constraint-relative-seed-1-\w+$/)
    expect(others).toEqual([])
  })
})

describe('moiety sweep --emit kubernetes', () => {
  const sweep = join(folder, 'kubernetes')
  const container = z.object({ command: z.array(z.string()) })
  const jobSchema = z.object({
    spec: z.object({ template: z.object({ spec: z.object({ containers: z.array(container) }) }) }),
  })
  const manifest = async (given: string): Promise<unknown[]> => {
    const { code, stderr } = await moiety(
      'sweep',
      given,
      '--out',
      sweep,
      '--emit',
      'kubernetes',
      '--jobs',
      '2',
    )
    expect(code, stderr).toBe(0)
    const documents = parseAllDocuments(readFileSync(join(sweep, 'kubernetes.yaml'), 'utf8'))
    return documents.map(document => {
      expect(document.errors).toEqual([])
      return document.toJS() as unknown
    })
  }

  it('writes a Job and a ConfigMap that their schemas accept, with keys that they know', async () => {
    const [config, job] = await manifest(file)
    expect(new ConfigMap(config as ConstructorParameters<typeof ConfigMap>[0]).validate()).toBeUndefined()
    expect(new Job(job as ConstructorParameters<typeof Job>[0]).validate()).toBeUndefined()
    // The schemas let unknown keys pass.
    expect(Object.keys((job as { spec: object }).spec)).toEqual([
      ...[
        'completionMode',
        'completions',
        'parallelism',
        'backoffLimitPerIndex',
        'podFailurePolicy',
        'template',
      ],
    ])
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    const containers = [{ image: `moiety:${version}` }]
    expect(job).toMatchObject({ spec: { template: { spec: { containers } } } })
    expect(job).toMatchObject({ spec: { completionMode: 'Indexed', completions: 2, parallelism: 2 } })
    const wrong = { ...(job as object), spec: { completions: 'two' } }
    expect(() => new Job(wrong as never).validate()).toThrow('completions')
  })

  it('what a pod is told trains the run of its index, from the file in the ConfigMap', async () => {
    const [config, job] = await manifest(file)
    const { data: files } = z.object({ data: z.record(z.string(), z.string()) }).parse(config)
    const mounted = join(folder, 'mounted')
    mkdirSync(mounted)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(mounted, name), text)
    const [pod] = jobSchema.parse(job).spec.template.spec.containers
    const places = { '/sweep/': `${mounted}/`, '/runs/': `${mounted}/`, '/data': data }
    const words = pod!.command.slice(1).map(word => {
      const place = Object.entries(places).find(([path]) => word.startsWith(path))
      return place === undefined
        ? word.replace('$(JOB_COMPLETION_INDEX)', '1')
        : word.replace(place[0], place[1])
    })
    expect(pod!.command[0]).toBe('moiety')
    const { code, stderr } = await start(words, process.execPath, [command]).ended
    expect(code, stderr).toBe(0)
    const [name = ''] = runsOf(join(mounted, 'tiny'))
    expect(name).toMatch(/^constraint-relative-seed-1-/)
    expect(existsSync(join(mounted, 'tiny', name, 'summary.json'))).toBe(true)
  })

  it.each([
    ['small/scenes', false],
    ['paper/retinanet', true],
  ])('%s: whether a claim with data is mounted is %s', async (name, hasData) => {
    const out = join(folder, name.replace('/', '-'))
    const { code, stderr } = await moiety('sweep', name, '--out', out, '--emit', 'kubernetes')
    expect(code, stderr).toBe(0)
    expect(readFileSync(join(out, 'kubernetes.yaml'), 'utf8').includes('/data')).toBe(hasData)
  })

  it('names a sweep that comes with Moiety, and needs no ConfigMap for it', async () => {
    const out = join(folder, 'packaged')
    const { code, stderr } = await moiety('sweep', 'small/cifar100', '--out', out, '--emit', 'kubernetes')
    expect(code, stderr).toBe(0)
    const documents = parseAllDocuments(readFileSync(join(out, 'kubernetes.yaml'), 'utf8'))
    expect(documents).toHaveLength(1)
    expect(new Job(documents[0]?.toJS()).validate()).toBeUndefined()
    const [pod] = jobSchema.parse(documents[0]?.toJS()).spec.template.spec.containers
    expect(pod?.command.slice(0, 3)).toEqual(['moiety', 'sweep', 'small/cifar100'])
  })

  it.each<[string[], string]>([
    [['--emit', 'slrm'], 'did you mean slurm?'],
    [['--emit', 'slurm', '--run', '0'], '--emit and --run cannot be together'],
    [['--run', '2'], 'expected the number of a run from 0 to 1'],
    [['--run', 'constraint-kl'], 'or its name, came "constraint-kl"'],
    [['--detach'], '--detach is for --queue'],
    [['--queue', 'redis://127.0.0.1:1', '--jobs', '2'], '--jobs is for each worker to say'],
    [['--queue'], 'got none'],
    [['--image', 'moiety:1'], '--image is for --emit'],
    [['--array-limit', '9'], '--array-limit is for --emit'],
    [['--emit', 'slurm', '--array-limit', '0'], 'for example --array-limit 1001'],
  ])('%j is refused', async (words, message) => {
    const { code, stdout, stderr } = await moiety('sweep', file, '--out', join(folder, 'refused'), ...words)
    expect([code, stdout], stderr).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(existsSync(join(folder, 'refused'))).toBe(false)
  })
})
