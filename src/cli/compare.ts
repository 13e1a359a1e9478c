import type { Command } from 'commander'
import { chartsHelp } from './charts-flag.ts'
import { addCheckpointFlags } from './checkpoint-flags.ts'
import type { CompareFlags } from './flags.ts'

export function addCompare(program: Command): void {
  const command = program
    .command('compare')
    .summary('lay trained runs side by side')
    .description(
      'Results, balance, specialization and cost of runs of one task side by side, as a table and as a page. Runs that have not been explained yet are explained first, which writes into their folders.',
    )
    .argument('<run...>', 'folders of runs of one task')
    .option('--out <file>', 'the page', 'comparison.html')
    .option(
      '--latency',
      'measure how long the exported file of each run takes (sparse and dense, 1 and 128 images at once)',
    )
    .option('--charts <folder>', chartsHelp)
    .option('--data <name|dir>', 'other data than the runs were trained on')
    .option('--threads <n>', 'threads, instead of as many as in training')
    .option('--json', 'print the comparison as JSON')
  addCheckpointFlags(command)
    .addHelpText(
      'after',
      `
Example:
  moiety compare runs/cifar100-small-*
  moiety compare runs/* --checkpoint best`,
    )
    .action(async (runs: string[], flags: CompareFlags) => {
      const { runComparison } = await import('./compare-run.ts')
      process.exitCode = await runComparison(runs, flags)
    })
}
