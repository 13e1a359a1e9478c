import type { Command } from 'commander'
import { chartsHelp } from './charts-flag.ts'
import { addCheckpointFlags } from './checkpoint-flags.ts'
import type { ExplainFlags } from './flags.ts'

export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .summary('show how the experts of a trained run specialize')
    .description(
      'Routes held-out images through a checkpoint of a run and writes what each expert has become: report.html to look at, report.json with every measure, routing.parquet with every image; of a detector also objects.parquet with every object.',
    )
    .argument('<run>', "the run's folder")
    .option('--out <folder>', "where to write, instead of the run's folder")
    .option('--charts <folder>', chartsHelp)
    .option('--against <run>', 'match the experts to those of another run')
    .option(
      '--attributes <file>',
      'columns about the images (.csv, .tsv, .jsonl, .parquet), found by path or number: what they explain',
    )
    .option('--data <name|dir>', 'other data than the run was trained on')
    .option('--split <name>', 'train, val or test (default: what training was tested on)')
    .option('--device <name>', 'cpu, webgpu or cuda, instead of what trained')
    .option('--threads <n>', 'threads, instead of as many as in training')
    .option('--permutations <n>', 'permutations that give chance levels (default: 1000; of a detector 2000)')
    .option('--json', 'print the measures as JSON')
  addCheckpointFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  moiety explain runs/sample-1
  moiety explain runs/sample-1 --against runs/sample-2
  moiety explain runs/sample-1 --json > measures.json`,
    )
    .action(async (run: string, flags: ExplainFlags) => {
      const { runExplanation } = await import('./explain-run.ts')
      process.exitCode = await runExplanation(run, flags)
    })
}
