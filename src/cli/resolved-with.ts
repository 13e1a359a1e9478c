import { applyOverrides, type Config, resolveConfig } from '../config/config.ts'
import { withModelFrom } from '../train/model-from.ts'

/**
 * A draft with overrides, what weights to start from say of it, and its defaults.
 *
 * @param source - what errors call it
 * @throws MoietyError `usage`; `data` for weights that cannot be read
 */
export async function resolvedWith(
  draft: unknown,
  overrides: readonly string[],
  source: string,
): Promise<{ readonly config: Config; readonly notes: readonly string[] }> {
  const fixed = overrides.map(override => override.slice(0, override.indexOf('=')).trim())
  const { input, notes } = await withModelFrom(applyOverrides(draft, overrides), fixed)
  return { config: resolveConfig(input, source), notes }
}
