import type { Command } from 'commander'
import { taskMeasures } from '../tasks/task-measures.ts'
import { chartsHelp } from './charts-flag.ts'
import type { TableFlags } from './flags.ts'

export function addTable(program: Command): void {
  program
    .command('table')
    .summary('lay out what a sweep reached')
    .description(
      'Mean ± standard deviation over seeds in any arrangement; runs that are missing or failed are reported, never averaged over.',
    )
    .argument(
      '<sweep>',
      'the folder that `moiety sweep` has written, or a CSV that `--rows runs --format csv` has',
    )
    .option('--rows <a,b>', 'what differs from row to row; runs: one row a run')
    .option('--columns <a,b>', 'what differs from column to column')
    .option(
      '--value <name>',
      `${taskMeasures.map(({ name }) => name).join(', ')}, parameters, activeParameters, multiplyAdds, seconds, cvImportance, cvActivation or active, of one of several mixtures active.layer4, a metric of your own, or any number of summary.json or report.json by its path, such as report.layers.layer4.groupings.class.information.value; with --rows runs several with commas between (default: the measure that ranks the runs of the task)`,
    )
    .option(
      '--baseline <a=b,...>',
      "what others are compared with, instead of the sweep's own; none for nothing",
    )
    .option('--format <name>', 'text, markdown, latex, csv, parquet or html', 'text')
    .option('--caption <text>', 'of the table in LaTeX, as LaTeX')
    .option('--label <name>', 'of the table in LaTeX, behind tab:')
    .option('--charts <folder>', chartsHelp)
    .option('--out <file>', 'write it there instead of printing it')
    .option('--json', 'print the table and all runs as JSON')
    .addHelpText(
      'after',
      `
Examples:
  moiety table sweeps/small-cifar100
  moiety table sweeps/small-cifar100 --rows position --columns constraint --value cvImportance
  moiety table sweeps/small-cifar100 --format latex --caption "Accuracy." --label accuracy --out table.tex
  moiety table sweeps/small-cifar100 --value summary.layers.0.importance.0
  moiety table sweeps/small-cifar100 --rows runs --value top1,seconds --format csv --out runs.csv
  moiety table runs.csv --rows position --columns constraint
  moiety table sweeps/small-cifar100 --format html --out sweep.html`,
    )
    .action(async (sweep: string, flags: TableFlags) => {
      const { runTable } = await import('./table-run.ts')
      process.exitCode = await runTable(sweep, flags)
    })
}
