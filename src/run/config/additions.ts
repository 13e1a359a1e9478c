/** Keys that came after runs had been made, each with the value with which a training is what it was before. */
const additions: readonly { readonly part: string; readonly key: string; readonly asBefore: unknown }[] = [
  { part: 'data', key: 'implausibleBoxes', asBefore: 'stop' },
  { part: 'optimizer', key: 'groups', asBefore: null },
  { part: 'training', key: 'replicas', asBefore: 1 },
  { part: 'training', key: 'resizing', asBefore: null },
]

/**
 * A configuration as it was before some of its keys came: they are left out where they change nothing. What is hashed is this,
 * so that checkpoints, explanations and sweeps that were made before still belong to their configurations.
 */
export function withoutAdditions(config: object): object {
  return Object.fromEntries(
    Object.entries(config).map(([part, value]: [string, unknown]) => {
      const left = additions.filter(addition => addition.part === part)
      if (left.length === 0 || typeof value !== 'object' || value === null) return [part, value]
      const kept = Object.entries(value).filter(
        ([key, own]) => !left.some(addition => addition.key === key && addition.asBefore === own),
      )
      return [part, Object.fromEntries(kept)]
    }),
  )
}
