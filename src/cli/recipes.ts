import type { Command } from 'commander'
import type { ShowFlags } from './flags.ts'
import { refuseWord, repeatable } from './output.ts'

export function addRecipes(program: Command): void {
  const recipes = program
    .command('recipes')
    .summary('list recipes; show one')
    .description('Lists the recipes that come with Moiety.')
    .option('--json', 'print them as JSON')
    .allowExcessArguments()
    .action(async (flags: { readonly json?: true }, command: Command) => {
      refuseWord('recipes', command.args[0], ['show'])
      const { listRecipes } = await import('./recipes-show.ts')
      await listRecipes(flags.json === true)
    })
  recipes
    .command('show')
    .summary('explain a recipe')
    .description('Explains a recipe and its parameters, and prints the configuration they come to.')
    .argument('<recipe>', 'a recipe by name or a file')
    .addOption(repeatable('--with <a=b,...>', "choose the recipe's parameters"))
    .addOption(repeatable('--set <path=value>', 'set a key of the configuration'))
    .option('--json', 'print it as JSON')
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { showRecipe } = await import('./recipes-show.ts')
      await showRecipe(name, command.optsWithGlobals<ShowFlags>())
    })
}
