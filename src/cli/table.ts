import type { Command } from 'commander'
import { taskMeasures } from '../tasks/task-measures.ts'
import type { TableFlags } from './flags.ts'

export function addTable(program: Command): void {
  program
    .command('table')
    .summary('lay out what a sweep reached')
    .description(
      'Mean ± standard deviation over seeds in any arrangement; runs that are missing or failed are reported, never averaged over.',
    )
    .argument('<sweep>', 'the folder that `moiety sweep` has written')
    .option('--rows <a,b>', 'what differs from row to row')
    .option('--columns <a,b>', 'what differs from column to column')
    .option(
      '--value <name>',
      `${taskMeasures.map(({ name }) => name).join(', ')}, parameters, activeParameters, multiplyAdds, seconds, cvImportance, cvActivation or active, of one of several mixtures active.layer4, or a metric of your own (default: the measure that ranks the runs of the task)`,
    )
    .option(
      '--baseline <a=b,...>',
      "what others are compared with, instead of the sweep's own; none for nothing",
    )
    .option('--format <name>', 'text, markdown, latex, csv, parquet or html', 'text')
    .option('--out <file>', 'write it there instead of printing it')
    .option('--charts <folder>', 'write the charts of cost and of learning as SVG files, too')
    .option('--json', 'print the table and all runs as JSON')
    .addHelpText(
      'after',
      `
Examples:
  moiety table sweeps/small-cifar100
  moiety table sweeps/small-cifar100 --rows position --columns constraint --value cvImportance
  moiety table sweeps/small-cifar100 --format latex --out table.tex
  moiety table sweeps/small-cifar100 --format html --out sweep.html`,
    )
    .action(async (sweep: string, flags: TableFlags) => {
      const { runTable } = await import('./table-run.ts')
      process.exitCode = await runTable(sweep, flags)
    })
}
