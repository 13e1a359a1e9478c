import { availableParallelism } from 'node:os'
import { Command, Option } from 'commander'
import { positive } from './positive.js'

const positives = (text: string, before: readonly number[] | undefined): number[] => [
  ...(before ?? []),
  positive(text),
]

/** The command line of the bench on graphics cards: apart from what it runs, so that a test can read documented calls with it. */
export function commandLine(): Command {
  return new Command('bench:gpu')
    .description('Times training steps on a graphics card, in turn with PyTorch.')
    .addOption(
      new Option('--device <name...>', 'where our steps run; webgpu and cuda when not given').choices([
        'webgpu',
        'cuda',
        'cpu',
      ]),
    )
    .addOption(
      new Option('--dispatch <name...>', 'how mixtures send images to experts')
        .choices(['sparse', 'capacity', 'dense'])
        .default(['sparse', 'capacity']),
    )
    .option('--batch <images...>', 'images of a batch; 128 and 512 when not given', positives)
    .option('--python <path>', 'a Python that has torch, to compare with')
    .option('--rounds <count>', 'turns of each side that are timed', positive, 10)
    .option('--warmup <count>', 'turns of each side before that', positive, 3)
    .option('--limit <seconds>', 'no case begins after so many', positive, 540)
    .option('--threads <count>', 'threads of the host', positive, availableParallelism())
    .option('--out <folder>', 'write gpu.json and gpu.md there')
    .option('--smoke', 'tiny sizes: to try the script without a graphics card')
}
