import type { Command } from 'commander'

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check this machine')
    .description(
      'Checks whether training works on this machine: Node, cores, memory, disk, and on every device one training step of a small network, compared with the CPU.',
    )
    .option('--json', 'print the findings as JSON')
    .action(async (flags: { readonly json?: true }) => {
      const { runDoctor } = await import('./doctor-run.ts')
      process.exitCode = await runDoctor(flags.json === true)
    })
}
