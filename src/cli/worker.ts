import type { Command } from 'commander'
import type { WorkerFlags } from './flags.ts'

export function addWorker(program: Command): void {
  program
    .command('worker')
    .summary('train runs that `moiety sweep --queue` has queued')
    .description(
      'Trains queued runs, on any machine that shares the folders of the sweeps. Ctrl-C hands each run back after a checkpoint, and another worker continues.',
    )
    .option('--queue [url]', 'redis://HOST or rediss://HOST; without a URL, or left out: MOIETY_QUEUE')
    .option('--queue-file <file>', 'the same with the URL in a file')
    .option('--jobs <n>', 'how many runs at once; cores are split between them (default: 1)')
    .option('--threads <n>', 'how many threads compute each run that begins here')
    .option('--sweeps <dir>', "where the sweeps' folders are, if not at the path where they were queued")
    .option('--data <dir>', 'where the data is, likewise')
    .option('--until-empty', 'end when nothing waits and nothing is being trained')
    .option('--patience <s>', 'seconds that a worker may be silent, the same for all workers (default: 60)')
    .addHelpText(
      'after',
      `
Examples:
  moiety worker --queue redis://HOST
  MOIETY_QUEUE=rediss://USER:PASSWORD@HOST moiety worker --jobs 2
  moiety worker --queue-file queue.url --sweeps /mnt/sweeps --data /mnt/data --until-empty
A command line is seen by everybody on a machine: a password belongs into the variable or the file.`,
    )
    .action(async (flags: WorkerFlags) => {
      const { runWorker } = await import('./worker-run.ts')
      process.exitCode = await runWorker(flags)
    })
}
