import type { Command } from 'commander'
import type { GetFlags } from './flags.ts'
import { refuseWord } from './output.ts'

export function addData(program: Command): void {
  const data = program
    .command('data')
    .summary('list data sets; get one')
    .description('Lists the data sets that Moiety reads.')
    .option('--json', 'print them as JSON')
    .allowExcessArguments()
    .action(async (flags: { readonly json?: true }, command: Command) => {
      refuseWord('data', command.args[0], ['get'])
      const { listData } = await import('./data-get.ts')
      listData(flags.json === true)
    })
  data
    .command('get')
    .summary('download CIFAR')
    .description('Downloads CIFAR from its authors, checks the published checksum and unpacks it.')
    .argument('<name>', 'cifar10 or cifar100')
    .requiredOption('--to <dir>', 'the folder to put it in')
    .option('--json', 'print where it is as JSON')
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { getData } = await import('./data-get.ts')
      await getData(name, command.optsWithGlobals<GetFlags>())
    })
}
