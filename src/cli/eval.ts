import type { Command } from 'commander'
import { addCheckpointFlags } from './checkpoint-flags.ts'
import type { EvalFlags } from './flags.ts'

export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .summary('test a trained run')
    .description('Tests a checkpoint of a run, with its experts as trained or chosen otherwise.')
    .argument('<run>', "the run's folder")
    .option('--k <n>', 'let this many experts compute each image')
    .option('--only <i>', 'let this expert alone compute every image')
    .option('--without <i>', 'leave this expert out')
    .option('--equal', 'let all experts compute every image, with equal weight')
    .option('--data <name|dir>', 'other data than the run was trained on')
    .option('--split <name>', 'train, val or test (default: what training was tested on)')
    .option('--device <name>', 'cpu, webgpu or cuda, instead of what trained')
    .option('--json', 'print the result as JSON')
  addCheckpointFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  moiety eval runs/sample-1
  moiety eval runs/sample-1 --k 1
  moiety eval runs/sample-1 --without 2 --json`,
    )
    .action(async (run: string, flags: EvalFlags) => {
      const { runEvaluation } = await import('./eval-run.ts')
      process.exitCode = await runEvaluation(run, flags)
    })
}
