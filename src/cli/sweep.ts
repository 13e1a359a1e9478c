import type { Command } from 'commander'
import type { SweepFlags } from './flags.ts'

export function addSweep(program: Command): void {
  program
    .command('sweep')
    .summary('train a grid of runs')
    .description(
      'Trains every run of a grid: finished ones are skipped, interrupted ones resumed, failed ones tried again.',
    )
    .argument('<file>', "a sweep's file, or one that comes with Moiety, such as small/cifar100")
    .option(
      '--data <name|dir>',
      'a data set by name, or a folder: with CIFAR, with class/image, or in the layout of COCO',
    )
    .option('--out <dir>', 'the folder of the sweep (default: sweeps/ and its name)')
    .option('--jobs <n>', 'how many runs at once; cores are split between them (default: 1; with --emit 8)')
    .option(
      '--threads <n>',
      'how many threads compute each run (default: its part of the cores; with --emit 4)',
    )
    .option('--dry-run', 'print the plan, and start nothing')
    .option('--no-trial', 'begin without the short trial that estimates the time')
    .option('--run <n>', 'train one run alone, by its number in the plan (from 0) or its name')
    .option(
      '--queue [url]',
      'put the runs into the queue of a Redis, for `moiety worker`, and follow them; without a URL: MOIETY_QUEUE',
    )
    .option('--queue-file <file>', 'the same with the URL in a file')
    .option('--detach', 'with --queue: leave the runs to the workers, and end')
    .option('--emit <system>', 'write files for slurm or kubernetes instead, and start nothing')
    .option(
      '--image <name>',
      'with --emit: the container image of the tasks (default: moiety and its version; for slurm none, or what Apptainer runs)',
    )
    .option(
      '--array-limit <n>',
      "with --emit slurm: how many tasks the site's arrays may have; more runs are several arrays (default: 1001)",
    )
    .option('--json', 'print the plan or the outcome as JSON')
    .addHelpText(
      'after',
      `
Examples:
  moiety sweep small/cifar100 --data DIR --jobs 2
  moiety sweep paper/cifar100 --data DIR --dry-run
  moiety sweep grid.json --out sweeps/grid
  moiety sweep grid.json --out /shared/grid --queue redis://HOST
  moiety sweep grid.json --out /shared/grid --emit slurm --jobs 8
A second call continues where the first ended. Exit code 6: some runs failed.`,
    )
    .action(async (file: string, flags: SweepFlags) => {
      const { runSweepCommand } = await import('./sweep-run.ts')
      process.exitCode = await runSweepCommand(file, flags)
    })
}
