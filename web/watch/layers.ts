/** The layer of a run that is shown: the selected one, or its own last where it has none of that name. */
export function shownLayer(own: readonly string[], selected: string | undefined): string | undefined {
  return selected !== undefined && own.includes(selected) ? selected : own.at(-1)
}

/** The layer that most runs have; of several, the last. */
export function commonLayer(runs: readonly (readonly string[])[]): string | undefined {
  const names = [...new Set(runs.flat())]
  const count = (name: string): number => runs.filter(own => own.includes(name)).length
  const most = Math.max(0, ...names.map(count))
  return names.findLast(name => count(name) === most)
}
