import type { Command } from 'commander'

export function addSchema(program: Command): void {
  program
    .command('schema')
    .summary('print the JSON Schema of a file')
    .description(
      'Prints the JSON Schema of a file that a run has (metrics, summary, report, routing) or of the lines of `moiety train --json` (events), with the meaning and unit of each field; without a name, lists them.',
    )
    .argument('[name]', 'metrics, summary, report, routing or events')
    .option('--json', 'print the list as JSON; a schema always is')
    .addHelpText(
      'after',
      `
Examples:
  moiety schema
  moiety schema report > report.schema.json`,
    )
    .action(async (name: string | undefined, flags: { readonly json?: true }) => {
      const { printSchema } = await import('./schema-run.ts')
      printSchema(name, flags.json === true)
    })
}
