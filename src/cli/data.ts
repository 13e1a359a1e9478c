import { type Command, Option } from 'commander'
import { fail } from '../base/errors.ts'
import type { DataCacheFlags, DataCheckFlags, GetFlags } from './flags.ts'
import { refuseWord, repeatable } from './output.ts'

export function addData(program: Command): void {
  const data = program
    .command('data')
    .summary('list data sets; get or check one; see and delete caches')
    .description('Lists the data sets that Moiety reads.')
    .option('--json', 'print them as JSON')
    .allowExcessArguments()
    .action(async (flags: { readonly json?: true }, command: Command) => {
      refuseWord('data', command.args[0], ['get', 'check', 'cache'])
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
  data
    .command('check')
    .summary('find mistakes in a data set')
    .description(
      'Reads every image and label of a data set once and reports what it has and all problems, without stopping at the first.',
    )
    .argument('<dir>', 'the folder of the data set, or its file, as for --data')
    .addOption(
      repeatable(
        '--set <path=value>',
        'read the data with data.followLinks, data.annotations.* or data.images.*, as in training',
      ),
    )
    .option('--json', 'print what was found as JSON')
    .option('--out <file>', 'write a page with images of each class, boxes drawn')
    .option(
      '--repair <dir>',
      'write a copy without unreadable images and duplicates: folders of classes, COCO for boxes, labels.jsonl for several labels',
    )
    .addHelpText(
      'after',
      `
Nothing is written without --out or --repair. Exit codes: 0 where the data can be trained on, also with problems (unreadable images
need --set data.unreadable=skip); 3 where training refuses it: a problem is handled "refused".

Examples:
  moiety data check photos
  moiety data check photos --json
  moiety data check photos --out data-check.html
  moiety data check photos --repair photos-repaired
  moiety data check photos --set data.followLinks=true`,
    )
    .action(async (directory: string, _flags: unknown, command: Command) => {
      const { runDataCheck } = await import('./data-check-run.ts')
      process.exitCode = await runDataCheck(directory, command.optsWithGlobals<DataCheckFlags>())
    })
  data
    .command('cache')
    .summary('list or delete decoded images that are kept')
    .description(
      'Lists what Moiety keeps of data sets, which can be made again: decoded images and drawings, what was used last first.',
    )
    .option('--dir <dir>', 'the folder of data.cache (default: MOIETY_CACHE, or .cache/moiety)')
    .option('--delete', 'delete all that is listed')
    .addOption(
      new Option('--older-than <days>', 'only what was not used for so many days').argParser(dayCount),
    )
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      `
A run that uses a cache goes on when it is deleted. docs/guide/your-data.md says what is kept.

Examples:
  moiety data cache
  moiety data cache --delete --older-than 30`,
    )
    .action(async (_flags: unknown, command: Command) => {
      const { manageCaches } = await import('./data-cache.ts')
      manageCaches(command.optsWithGlobals<DataCacheFlags>())
    })
}

function dayCount(text: string): number {
  const days = Number(text)
  if (text.trim() !== '' && days >= 0 && Number.isFinite(days)) return days
  return fail({
    kind: 'usage',
    message: `expected a number of days, got "${text}"`,
    where: '--older-than',
    help: '--older-than 30',
  })
}
