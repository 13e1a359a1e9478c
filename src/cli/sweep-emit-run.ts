import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { hasInvisible, shellWord } from '../base/escaping.ts'
import { readJsonFile } from '../config/recipe-files.ts'
import { nearest } from '../config/shape.ts'
import { needsFolder } from '../data/datasets/registry.ts'
import { makeFolders, writeAtomically } from '../files/atomic-write.ts'
import { attempt, nodeDisk } from '../files/disk.ts'
import { version } from '../files/version.ts'
import { kubernetesManifest, mostBytes } from '../sweep/emit-kubernetes.ts'
import { slurmFiles, usualArrayLimit } from '../sweep/emit-slurm.ts'
import { writeRecord } from '../sweep/sweep-folder.ts'
import type { SweepFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { wholePath } from './plan.ts'
import { clean } from './screen.ts'
import { needData, type SweepCommand, trainingCommand } from './sweep-plan.ts'

const systems = ['slurm', 'kubernetes'] as const

/** What the flags come to. */
interface EmitFlags extends Omit<SweepFlags, 'jobs' | 'threads' | 'arrayLimit'> {
  readonly arrayLimit: number | undefined
  readonly jobs: number | undefined
  readonly threads: number | undefined
}

const usualJobs = 8
const usualThreads = 4

/** `moiety sweep --emit`: writes files for a cluster into the sweep's folder, and starts nothing; returns the exit code. */
export async function emitSweep(file: string, planned: SweepCommand, flags: EmitFlags): Promise<number> {
  const system = systems.find(name => name === flags.emit) ?? refuseSystem(flags.emit ?? '')
  const folder = resolve(planned.folder)
  if (system === 'slurm') refuseForSlurm(folder)
  makeFolders(nodeDisk, folder)
  const files =
    system === 'slurm'
      ? emitSlurm(file, planned, folder, flags)
      : await emitKubernetes(file, planned, folder, flags)
  const [main = ''] = files
  const submit = system === 'kubernetes' ? 'kubectl apply -f' : files.length > 1 ? 'bash' : 'sbatch'
  const then = `${submit} ${shellWord(main)}`
  if (flags.json) printJson({ sweep: planned.sweep.name, out: folder, files, then })
  else print(`Written, to read and to change: ${files.map(clean).join(', ')}\nThen: ${then}`)
  return 0
}

function refuseSystem(text: string): never {
  const guess = nearest(text, systems)
  return fail({
    kind: 'usage',
    message: `expected slurm or kubernetes, came "${text}"`,
    where: '--emit',
    help: guess === undefined ? `for example --emit ${systems[0]}` : `did you mean ${guess}?`,
  })
}

/** A line for sbatch has no escape for them, and a backslash in a path keeps it from filling in the task's number. */
function refuseForSlurm(folder: string): void {
  if (!hasInvisible(folder) && !folder.includes('\\')) return
  fail({
    kind: 'usage',
    message:
      'sbatch cannot be given a folder with control characters, invisible characters or a backslash in its path',
    where: folder,
    help: 'use another --out, or rename the folder',
  })
}

function emitSlurm(file: string, planned: SweepCommand, folder: string, flags: EmitFlags): string[] {
  const { sweep, plan, record, outcomes } = planned
  needData(plan)
  const todo = plan.runs.filter(({ name }) => outcomes.get(name)?.status !== 'done')
  if (todo.length === 0)
    fail({
      kind: 'usage',
      message: 'every run of this sweep is finished',
      where: folder,
      help: `moiety table ${shellWord(folder)} lays out what they reached`,
    })
  for (const name of ['logs', 'recipes']) makeFolders(nodeDisk, join(folder, name))
  writeRecord(folder, record)
  const own = file.endsWith('.json') ? resolve(file) : undefined
  const data = flags.data === undefined ? undefined : wholePath(flags.data)
  const job = {
    title: sweep.title,
    name: sweep.name,
    folder,
    runs: todo.map(({ name }) => name),
    jobs: Math.min(flags.jobs ?? usualJobs, todo.length),
    threads: flags.threads ?? usualThreads,
    words: [
      ...program(flags.image, [folder, own === undefined ? undefined : dirname(own), data]),
      'sweep',
      own ?? file,
      '--out',
      folder,
      ...(data === undefined ? [] : ['--data', data]),
    ],
  }
  const stale = readdirSync(folder).filter(name => /^slurm(-\d+|-submit)?\.sh$/.test(name))
  for (const name of stale) attempt(nodeDisk, 'remove', join(folder, name), () => rmSync(join(folder, name)))
  return slurmFiles(job, flags.arrayLimit ?? usualArrayLimit).map(({ name, text }) => {
    const script = join(folder, name)
    writeAtomically(nodeDisk, script, text)
    attempt(nodeDisk, 'make executable', script, () => chmodSync(script, 0o755))
    return script
  })
}

/** This very program, or Moiety in an image, which sees these folders where they are. */
function program(image: string | undefined, folders: readonly (string | undefined)[]): string[] {
  const [main = '', ...use] = trainingCommand().words
  if (image === undefined) return ['node', main, ...use]
  const files = use.filter(word => word !== '--use').map(dirname)
  const seen = new Set([...folders, ...files].filter(folder => folder !== undefined && isAbsolute(folder)))
  const binds = [...seen].flatMap(folder => ['--bind', bindable(folder ?? '')])
  return ['apptainer', 'exec', ...binds, image, 'moiety', ...use]
}

/** Apptainer divides binds at commas and colons. */
function bindable(folder: string): string {
  if (!/[,:]/.test(folder)) return folder
  return fail({
    kind: 'usage',
    message: 'Apptainer cannot be given a folder with a comma or a colon in its path',
    where: folder,
    help: 'rename the folder, or leave --image out',
  })
}

async function emitKubernetes(
  file: string,
  { sweep, plan }: SweepCommand,
  folder: string,
  flags: EmitFlags,
): Promise<string[]> {
  const [own] = plan.runs.flatMap(({ config }) => config.use?.files ?? [])
  if (own !== undefined)
    fail({
      kind: 'usage',
      message: 'a manifest carries no code, and this sweep needs components of your own',
      where: own,
      help: 'use --queue with workers that are given --use, or --emit slurm on a disk that all machines share',
    })
  const isRecipeFile = sweep.recipe.endsWith('.json')
  const recipe = isAbsolute(sweep.recipe) ? sweep.recipe : join(dirname(file), sweep.recipe)
  const text = kubernetesManifest({
    title: sweep.title,
    name: sweep.name,
    runs: plan.runs.length,
    jobs: Math.min(flags.jobs ?? usualJobs, plan.runs.length),
    threads: flags.threads ?? usualThreads,
    retries: sweep.retries,
    sweep: file.endsWith('.json')
      ? {
          sweep: { ...sweep, ...(isRecipeFile ? { recipe: 'recipe.json' } : {}) },
          recipe: isRecipeFile ? asObject(await readJsonFile(recipe, 'recipe'), recipe) : undefined,
        }
      : file,
    image: flags.image ?? `moiety:${version}`,
    hasData: plan.runs.some(({ config }) => needsFolder(config.data.name)),
  })
  if (Buffer.byteLength(text) > mostBytes)
    fail({
      kind: 'usage',
      message: `expected a sweep and recipe of at most ${mostBytes} bytes, which a ConfigMap can hold`,
      where: file,
      help: 'divide the sweep',
    })
  const manifest = join(folder, 'kubernetes.yaml')
  writeAtomically(nodeDisk, manifest, text)
  return [manifest]
}

function asObject(value: unknown, where: string): object {
  if (typeof value === 'object' && value !== null) return value
  return fail({ kind: 'usage', message: 'a recipe is an object', where, help: 'see moiety recipes show' })
}
