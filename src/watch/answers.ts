import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { addStepLine, stepCurves } from './log-content.ts'
import { readSteps, sampleSteps } from './log-parts.ts'
import type { Reading } from './log-reader.ts'
import type { RunDetails, StepCurves, TestGalleries } from './protocol.ts'
import { StepBuckets } from './step-buckets.ts'
import type { Strips } from './strips.ts'
import type { WatchedRun } from './watched-run.ts'
import type { Watcher } from './watcher.ts'

/** Single lines of a log that is not read yet. */
const samples = 128

/** Bytes of a log that are read for a range. */
const mostOfRange = 256 << 20

/** Logs up to so many bytes are read for an answer, and all together: the first picture of short logs is the whole. */
const [short, readAtOnce] = [4 << 20, 16 << 20]

/** What the page knows of a run's steps already. */
export interface Known {
  readonly id: string
  readonly generation: number
  readonly width: number
  /** The bucket from which it needs them. */
  readonly since: number
}

/** `ID` or `ID~GENERATION~WIDTH~SINCE`, with commas between them; others are passed over. */
export function knownOf(text: string | null): Known[] {
  return (text ?? '').split(',').flatMap(one => {
    const [, id, generation = '-1', width = '0', since = '0'] =
      /^([0-9a-f]{12})(?:~(\d{1,15})~(\d{1,15})~(\d{1,15}))?$/.exec(one) ?? []
    if (id === undefined) return []
    return [{ id, generation: Number(generation), width: Number(width), since: Number(since) }]
  })
}

/** The steps of runs by their ids: from the buckets that the page needs, or all where what it knows is no longer valid. */
export async function curvesOf(
  watcher: Watcher,
  wanted: readonly Known[],
  layers: boolean,
): Promise<Record<string, StepCurves>> {
  const found: Record<string, StepCurves> = {}
  let left = readAtOnce
  for (const { id, generation, width, since } of wanted) {
    const run = watcher.run(id)
    if (run === undefined) continue
    const log = watcher.logs.demand(run)
    let reading: Reading = run.size > short ? 'end' : 'more'
    while (log?.isWhole === false && reading === 'more' && left > 0) {
      reading = await log.read(1 << 20)
      left -= 1 << 20
    }
    if (log?.isWhole) {
      const isKnown = generation === log.generation && width === log.width
      found[id] = log.curves({ since: isKnown ? since : 0, layers })
    } else if (log === undefined || generation !== 0) found[id] = await sampled(run, layers)
  }
  return found
}

/** Generation 0: single lines, evenly spread over a log of any length. */
async function sampled(run: WatchedRun, layers: boolean): Promise<StepCurves> {
  const file = await run.open('metrics.jsonl')
  const buckets = new StepBuckets(2 * samples)
  if (file !== undefined) {
    try {
      for (const line of await sampleSteps(file, samples)) addStepLine(buckets, line)
    } finally {
      await file.close()
    }
  }
  const curves = stepCurves(buckets, { generation: 0, isWhole: false, tests: [] }, { layers })
  // Of one line there is no range.
  const means = Object.entries(curves.curves).map(([name, { mean }]) => [name, { mean }] as const)
  return { ...curves, curves: Object.fromEntries(means) }
}

/** A range of steps. */
export interface Range {
  readonly from: number
  readonly to: number
  /** About as many points as the chart has columns. */
  readonly points: number
  readonly layers: boolean
}

/** Steps in a range: all of them, where they are no more than the points, otherwise in as many buckets. */
export async function rangeOf(
  watcher: Watcher,
  ids: readonly string[],
  { from, to, points, layers }: Range,
): Promise<Record<string, StepCurves>> {
  const most = 2 ** Math.ceil(Math.log2(Math.min(4096, Math.max(64, points))))
  const found: Record<string, StepCurves> = {}
  for (const id of ids) {
    const file = await watcher.run(id)?.open('metrics.jsonl')
    if (file === undefined) continue
    const buckets = new StepBuckets(most, Math.max(0, Math.floor(from)))
    const isWhole = await rangeIn(file, from, to, buckets)
    found[id] = stepCurves(buckets, { generation: 0, isWhole, tests: [] }, { layers })
  }
  return found
}

async function rangeIn(file: FileHandle, from: number, to: number, buckets: StepBuckets): Promise<boolean> {
  try {
    let last = 0
    return await readSteps(file, { from, to, most: mostOfRange }, line => {
      // Steps that are taken again: the newest are valid.
      if (line.step <= last) buckets.rewind(line.step)
      last = line.step
      addStepLine(buckets, line)
    })
  } finally {
    await file.close()
  }
}

/** Everything about a run that is not over steps; undefined where there is no such run. */
export async function detailsOf(watcher: Watcher, id: string): Promise<RunDetails | undefined> {
  const run = watcher.run(id)
  if (run === undefined) return undefined
  const log = watcher.logs.demand(run)
  if (log?.isWhole === false) await log.read(1 << 20)
  const strips = await run.strips()
  const tests = (log?.tests ?? []).map(
    ({ step, split, layers }): TestGalleries => ({
      ...{ step, split },
      layers: Array.from(layers, ([name, experts]) => ({
        name,
        galleries: experts.map((images, expert) => ({
          ...{ expert, images },
          strip: strips.numberOf(step, `${split}/${name}/images/${expert}`),
        })),
      })),
    }),
  )
  return {
    id,
    epochs: log?.epochs ?? [],
    alarms: log?.alarms ?? [],
    tests: [...testsWithoutLines(strips, tests), ...tests],
    noPictures: strips.strips.length > 0 ? null : reasonFor(run, log?.epochs.some(isTest) ?? false),
    config: Object.fromEntries(run.config),
    environment: Object.fromEntries(run.environment),
    log: log?.facts ?? {
      ...{ isWhole: false, lines: 0, damaged: 0, damagedLines: [], nonFinite: 0, repeated: 0 },
    },
  }
}

const isTest = ({ split }: { readonly split: string }): boolean => split !== 'train'

/** Tests of an earlier version, which has logged no examples: their pictures alone. */
function testsWithoutLines({ strips }: Strips, described: readonly TestGalleries[]): TestGalleries[] {
  const known = new Set(described.map(({ step }) => step))
  const found = new Map<string, { step: number; split: string; layers: Map<string, Map<number, number>> }>()
  for (const [number, { step, tag }] of strips.entries()) {
    const [, split, name, expert] = /^([^/]+)\/(.+)\/images\/(\d{1,4})$/.exec(tag) ?? []
    if (split === undefined || name === undefined || known.has(step)) continue
    const test = found.get(`${step} ${split}`) ?? { step, split, layers: new Map() }
    const layer = test.layers.get(name) ?? new Map<number, number>()
    layer.set(Number(expert), number)
    test.layers.set(name, layer)
    found.set(`${step} ${split}`, test)
  }
  return Array.from(found.values(), ({ step, split, layers }) => ({
    ...{ step, split },
    layers: Array.from(layers, ([name, experts]) => ({
      name,
      galleries: Array.from(experts, ([expert, strip]) => ({ expert, strip, images: [] })),
    })),
  }))
}

function reasonFor(run: WatchedRun, isTested: boolean): string {
  if (!isTested) return 'Pictures come with the first test on held-out images.'
  const isThere = run.names.some(name => name.startsWith('events.out.tfevents.'))
  if (isThere)
    return 'The tests of this run have stored no pictures: its network has no mixture, or its task no images to show.'
  return `The pictures of tests are in TensorBoard's files, events.out.tfevents.*, and ${basename(run.place.path)} has none.`
}
