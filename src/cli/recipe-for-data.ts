import { applyOverrides } from '../config/config.ts'
import { type Choices, chooseParameters, type Recipe } from '../config/recipe.ts'
import { loadRecipe } from '../config/recipe-files.ts'
import { configSchema } from '../config/schema.ts'
import { dataFacts } from '../data/data-facts.ts'
import { weightFacts } from '../train/model-from.ts'
import { fittedRecipe, suitedRecipe } from '../train/suited-recipe.ts'

/** A recipe with its parameters chosen, and what is set for the data before a person's own settings. */
export interface RecipeForData {
  readonly recipe: Recipe
  readonly choices: Choices
  /** `path=value`. */
  readonly settings: readonly string[]
  /** What was chosen and why. */
  readonly notes: readonly string[]
}

const defaultRecipe = 'sample'

/**
 * The recipe that is named, or the one that suits the data, with what suits the data. Labels, annotations and headers of images are
 * read, nothing is decoded.
 *
 * @param assignments - of parameters, `name=value`
 * @param overrides - a person's own settings, among them those of `--data`
 * @throws MoietyError `usage`; `data` for data or weights that are refused
 */
export async function recipeForData(
  name: string | undefined,
  assignments: readonly string[],
  overrides: readonly string[],
): Promise<RecipeForData> {
  const fits = name === undefined || ['photos', 'detect'].includes(name)
  const suited = fits ? await suitedTo(name, assignments, overrides) : undefined
  const recipe = await loadRecipe(name ?? suited?.recipe ?? defaultRecipe)
  const choices = chooseParameters(recipe, assignments)
  return {
    recipe,
    choices,
    settings: suited?.settings ?? [],
    notes: suited === undefined ? [] : [suited.reason],
  }
}

async function suitedTo(
  name: string | undefined,
  assignments: readonly string[],
  overrides: readonly string[],
) {
  // Where there is no recipe yet, settings of a list that it has cannot be applied: only those of data, weights and device matter.
  const relevant = overrides.filter(text => /^\s*(data|engine|model\.(from|weights\w*))\b/.test(text))
  const input = applyOverrides({}, relevant)
  const parsed = configSchema().pick({ data: true, engine: true }).safeParse(pickParts(input))
  // Whatever is wrong is said of the whole configuration.
  if (!parsed.success) return undefined
  const { data, engine } = parsed.data
  if (data.directory === null && (data.annotations?.train ?? null) === null)
    return name === undefined && data.name === 'scenes'
      ? { recipe: 'scenes', settings: [], reason: 'recipe scenes, for drawn scenes' }
      : undefined
  const found = await dataFacts(data)
  if (found === undefined) return undefined
  const facts = {
    data: found,
    weights: await weightFacts(input),
    device: engine.device,
    chosen: new Map(assignments.map(text => text.trim().split('=', 2) as [string, string])),
  }
  return name === undefined ? suitedRecipe(facts) : fittedRecipe(name, facts)
}

function pickParts(input: unknown): object {
  const { data, engine } = input as { readonly data?: unknown; readonly engine?: unknown }
  return { ...(data === undefined ? {} : { data }), ...(engine === undefined ? {} : { engine }) }
}
