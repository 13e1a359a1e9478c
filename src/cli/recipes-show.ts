import { shellWord, visibleJson } from '../base/escaping.ts'
import { addedComponents } from '../config/components.ts'
import {
  chooseParameters,
  combinations,
  type Recipe,
  recipeDraft,
  showChoices,
  showCondition,
} from '../config/recipe.ts'
import { loadRecipe, recipeNames } from '../config/recipe-files.ts'
import { componentsText } from './components-text.ts'
import type { ShowFlags } from './flags.ts'
import { print, printJson, say } from './output.ts'
import { resolvedWith } from './resolved-with.ts'
import { clean, duration, type Paint, painter, wrap } from './screen.ts'

/** `moiety recipes` */
export async function listRecipes(json: boolean): Promise<void> {
  const all = await Promise.all((await recipeNames()).map(loadRecipe))
  if (json) return printJson(all)
  const paint = painter(process.stdout)
  const width = Math.max(...all.map(({ name }) => name.length))
  const lines = all.map(recipe => {
    const runs = combinations(recipe).length
    const variants = runs === 1 ? '' : paint.dim(`  ${runs} variants`)
    return `  ${paint.bold(recipe.name.padEnd(width))}  ${clean(recipe.title)}${variants}`
  })
  print([...lines, '', '`moiety recipes show NAME` explains one; `moiety train NAME` runs it.'].join('\n'))
}

/** `moiety recipes show` */
export async function showRecipe(name: string, flags: ShowFlags): Promise<void> {
  const recipe = await loadRecipe(name)
  const assignments = flags.with.flatMap(text => text.split(','))
  const choices = chooseParameters(recipe, assignments)
  const { config, notes } = await resolvedWith(
    recipeDraft(recipe, choices),
    flags.set,
    flags.set.length === 0 ? `recipe ${recipe.name}` : `recipe ${recipe.name} as changed on the command line`,
  )
  for (const note of notes) say(`note: ${clean(note)}`)
  if (flags.json) return printJson({ ...recipe, choices: Object.fromEntries(choices), config })
  const paint = painter(process.stdout)
  const chosen = choices.size === 0 ? '' : ` with ${clean(showChoices(choices))}`
  print(
    [
      `${paint.bold(clean(recipe.title))}  ${paint.dim(clean(recipe.name))}\n\n${wrap(clean(recipe.description))}`,
      ...(Object.keys(recipe.parameters).length === 0 ? [] : [parameters(recipe, paint)]),
      reached(recipe, paint),
      ...(addedComponents().length === 0
        ? []
        : [`${paint.bold('Components of your own')}\n${componentsText(paint)}`]),
      `${paint.bold(`The configuration${chosen}`)}\n\n${visibleJson(config, 2)}`,
    ].join('\n\n'),
  )
}

function parameters(recipe: Recipe, paint: Paint): string {
  const blocks = Object.entries(recipe.parameters).map(
    ([name, { values, description, when, default: usual }]) => {
      const choices = values
        .map(value => (value === usual ? paint.bold(`[${clean(String(value))}]`) : clean(String(value))))
        .join('  ')
      const condition = when === undefined ? '' : `; ${showCondition(when)}`
      return `  ${paint.good(clean(name))}  ${choices}\n${wrap(clean(description + condition), '    ')}`
    },
  )
  return [
    `${paint.bold('Parameters')}  ${paint.dim('[defaults]')}`,
    ...blocks,
    ...recipe.refuse.map(({ when, because }) => {
      const combination = Object.entries(when).map(([name, values]) => `${name}=${values.join('|')}`)
      return wrap(`Not ${clean(combination.join(' with '))}: ${clean(because)}.`, '  ')
    }),
    `  ${paint.dim(`${combinations(recipe).length} combinations; choose with --with ${shellWord(example(recipe))}`)}`,
  ].join('\n')
}

/** A combination from the middle of the list, as `--with` takes it. */
function example(recipe: Recipe): string {
  const runs = combinations(recipe)
  return showChoices(runs[Math.floor(runs.length / 2)] ?? new Map())
}

function reached(recipe: Recipe, paint: Paint): string {
  if (recipe.reached === null || recipe.reached.length === 0)
    return `${paint.bold('Reached')}  not measured yet`
  const lines = recipe.reached.map(
    ({ what, value, seeds, seconds, machine, date }) =>
      `  ${clean(what)}: ${paint.bold(clean(String(value)))}\n` +
      wrap(
        `seeds ${seeds.join(', ')}; ${duration(seconds)} a run on ${clean(machine)}; ${clean(date)}`,
        '    ',
      ),
  )
  return `${paint.bold('Reached')}\n${lines.join('\n')}`
}
