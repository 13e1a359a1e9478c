/** What the page shows, as its address has it: `#run=sample-1&run=sample-2&smooth=0.6&log`. */
export interface Settings {
  /** Names of the selected runs; undefined: those that the page chooses. */
  runs: ReadonlySet<string> | undefined
  /** The run whose details are shown. */
  focus: string | undefined
  smoothing: number
  isLog: boolean
  /** Also curves that are rarely looked at. */
  isMore: boolean
  layer: string | undefined
}

/** More names would make an address that nobody can pass on. */
const mostNames = 60

export function readSettings(hash: string): Settings {
  const query = new URLSearchParams(hash.replace(/^#/, ''))
  const smoothing = Number(query.get('smooth') ?? Number.NaN)
  const runs = query.getAll('run')
  return {
    runs: query.has('run') ? new Set(runs.filter(name => name !== '')) : undefined,
    focus: query.get('focus') ?? undefined,
    smoothing: smoothing >= 0 && smoothing <= 0.99 ? smoothing : 0.6,
    isLog: query.has('log'),
    isMore: query.has('all'),
    layer: query.get('layer') ?? undefined,
  }
}

export function writeSettings({ runs, focus, smoothing, isLog, isMore, layer }: Settings): string {
  const query = new URLSearchParams()
  if (runs !== undefined && runs.size <= mostNames)
    for (const name of runs.size === 0 ? [''] : runs) query.append('run', name)
  if (focus !== undefined) query.set('focus', focus)
  if (smoothing !== 0.6) query.set('smooth', String(smoothing))
  if (isLog) query.set('log', '')
  if (isMore) query.set('all', '')
  if (layer !== undefined) query.set('layer', layer)
  const text = query.toString().replace(/=(?=&|$)/g, '')
  return text === '' ? '' : `#${text}`
}
