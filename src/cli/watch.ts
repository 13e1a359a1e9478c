import type { Command } from 'commander'
import type { WatchFlags } from './flags.ts'
import { repeatable } from './output.ts'

export function addWatch(program: Command): void {
  program
    .command('watch')
    .summary('follow trainings on a local page')
    .description(
      'Serves a page that follows runs while they train: curves, shares of experts, alarms, pictures, time left, and in what runs differ. It only reads files, so it can be started late, after a crash, or on a copy. Ctrl-C ends it.',
    )
    .argument(
      '[run|folder...]',
      'runs, sweeps, or folders with runs in them, which may appear later (default: runs and sweeps)',
      [],
    )
    .option('--port <n>', 'the port; 0: any (default: 7007, or any where that is in use)')
    .option(
      '--host <address>',
      'the address to serve at; other machines reach one that is not loopback',
      '127.0.0.1',
    )
    .option('--token [text]', 'answer only who has this token; without a value one is made')
    .addOption(repeatable('--allow-host <name>', 'another name under which the page may be opened'))
    .option('--json', 'print the address as JSON, on one line')
    .addHelpText(
      'after',
      `
Examples:
  moiety watch
  moiety watch runs/sample-1
  moiety watch sweeps/small-cifar100 --port 0
  moiety watch --host 0.0.0.0 --token
The address is printed on one line. A command line is seen by everybody on a machine: MOIETY_WATCH_TOKEN has the token as well.`,
    )
    .action(async (folders: readonly string[], flags: WatchFlags) => {
      const { runWatch } = await import('./watch-run.ts')
      process.exitCode = await runWatch(folders, flags)
    })
}
