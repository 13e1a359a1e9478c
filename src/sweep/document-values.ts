import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { nearest } from '../base/schemas.ts'
import { readIfThere } from '../files/append-file.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { isJsonObject } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular-file.ts'
import type { Outcome } from './outcome.ts'
import type { Measure } from './table-values.ts'

/**
 * Numbers of `summary.json` and `report.json` by their path, as tables name them: `summary.layers.layer4.importance.0`,
 * `report.layers.layer4.groupings.class.information.value`. A part is a key, the place in a list, or the `name` of an item of
 * a list; keys and names may have dots of their own. Without `summary` or `report` in front, the first of the two that has it is meant.
 */
const documents = { summary: sizeLimits.summary, report: sizeLimits.report } as const
type DocumentName = keyof typeof documents
const documentNames = Object.keys(documents).filter((name): name is DocumentName => name in documents)

/** Where a path leads, or how far: the value before the part that leads nowhere, that part, and the path to it. */
type Found =
  | { readonly value: unknown }
  | { readonly last: unknown; readonly rest: string; readonly before: string }

function find(value: unknown, path: string, before = ''): Found {
  if (path === '') return { value }
  const fits = ([key]: readonly [string, unknown]): boolean => path === key || path.startsWith(`${key}.`)
  // The longest key first: `raw.top1` may be one.
  const [next] = partsOf(value)
    .filter(fits)
    .sort(([a], [b]) => b.length - a.length)
  if (next === undefined) return { last: value, rest: path, before }
  const [key, below] = next
  return find(below, path.slice(key.length + 1), before === '' ? key : `${before}.${key}`)
}

/** What may follow in a path; items of a list by name where they have one, and by place. */
function partsOf(value: unknown): (readonly [string, unknown])[] {
  if (!Array.isArray(value)) return isJsonObject(value) ? Object.entries(value) : []
  return value.flatMap((item: unknown, at) => [
    ...(isJsonObject(item) && typeof item.name === 'string' ? [[item.name, item] as const] : []),
    [String(at), item] as const,
  ])
}

/** The number of a path in a run's folder; null where the run has none there. */
type NumberOf = (run: string) => number | null

/**
 * The measure that a path names, read from the folders of finished runs.
 *
 * @param others - further names that may be meant
 * @throws MoietyError `usage` where no finished run has a number there; it says where the path ends, and what may follow
 */
export function measureAtPath(
  folder: string,
  outcomes: ReadonlyMap<string, Outcome>,
  text: string,
  others: readonly string[],
  disk: Disk = nodeDisk,
): Measure {
  const finished = [...outcomes].flatMap(([run, { status }]) => (status === 'done' ? [run] : []))
  const [named] = documentNames.filter(name => text === name || text.startsWith(`${name}.`))
  const choices = named === undefined ? documentNames : [named]
  const path = named === undefined ? text : text.slice(named.length + 1)
  for (const name of choices) {
    const numberOf = reader(folder, name, path, disk)
    const values = finished.map(numberOf)
    if (values.some(value => value !== null)) return measureOf(`${name}.${path}`, values, numberOf)
  }
  const [run] = finished
  const deepest = choices
    .flatMap(name => finished.map(one => [name, find(documentOf(folder, one, name, disk), path)] as const))
    .sort(([, a], [, b]) => depth(b) - depth(a))[0]
  return refuse(text, path, run === undefined ? undefined : deepest, others)
}

function depth(found: Found): number {
  return 'value' in found ? Number.POSITIVE_INFINITY : found.before.length
}

function refuse(
  text: string,
  path: string,
  deepest: readonly [DocumentName, Found] | undefined,
  others: readonly string[],
): never {
  const known = `the values are ${others.join(', ')}, and every number of summary.json and report.json by its path, such as report.layers.layer4.dependence.bits`
  const wrong = { kind: 'usage', message: `there is no value "${text}"`, where: '--value' } as const
  if (deepest === undefined) return fail({ ...wrong, help: known })
  const [name, found] = deepest
  if ('value' in found) {
    const below = partsOf(found.value).map(([key]) => key)
    const follow = below.length === 0 ? 'it is no number' : `what follows is ${several(below)}`
    return fail({ ...wrong, message: `${name}.${path} is not a number`, help: follow })
  }
  const { last, rest, before } = found
  const parts = partsOf(last).map(([key]) => key)
  const guess = nearest(rest.split('.')[0] ?? rest, parts)
  if (before === '' && parts.length === 0 && name === 'report')
    return fail({ ...wrong, help: 'no run of this sweep has a report.json: moiety explain RUN writes it' })
  if (before === '') {
    const meant = nearest(text, others) ?? guess
    return fail({ ...wrong, help: meant === undefined ? known : `did you mean ${meant}?` })
  }
  return fail({
    ...wrong,
    message: `${name}.${before} has no "${rest}"`,
    help: guess === undefined ? `it has ${several(parts)}` : `did you mean ${name}.${before}.${guess}?`,
  })
}

const mostListed = 20

function several(parts: readonly string[]): string {
  if (parts.length === 0) return 'nothing'
  return parts.length <= mostListed
    ? parts.join(', ')
    : `${parts.slice(0, mostListed).join(', ')} and ${parts.length - mostListed} more`
}

function reader(folder: string, name: DocumentName, path: string, disk: Disk): NumberOf {
  const known = new Map<string, number | null>()
  return run => {
    const before = known.get(run)
    if (before !== undefined) return before
    const found = find(documentOf(folder, run, name, disk), path)
    const value = 'value' in found && typeof found.value === 'number' ? found.value : null
    known.set(run, value)
    return value
  }
}

/** Undefined where the file is missing or no JSON: the run has no numbers there. */
function documentOf(folder: string, run: string, name: DocumentName, disk: Disk): unknown {
  const bytes = readIfThere(disk, join(folder, run, `${name}.json`), documents[name])
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return isTooDeep(value) ? undefined : value
  } catch {
    return undefined
  }
}

/** With about four digits of the largest. */
function measureOf(key: string, values: readonly (number | null)[], numberOf: NumberOf): Measure {
  const most = Math.max(...values.map(value => Math.abs(value ?? 0)))
  const digits = most >= 1000 ? 0 : most >= 100 ? 1 : most >= 10 ? 2 : 3
  return {
    key,
    title: key,
    scale: 1,
    digits,
    of: (outcome, run) => (outcome.status === 'done' ? numberOf(run) : null),
  }
}
