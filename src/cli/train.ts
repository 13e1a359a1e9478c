import { type Command, Option } from 'commander'
import { fail } from '../base/errors.ts'
import type { TrainFlags } from './flags.ts'
import { repeatable } from './output.ts'

export function addTrain(program: Command): void {
  program
    .command('train')
    .summary('train by a recipe')
    .description('Trains by a recipe and ends with accuracy, the share of each expert and what each prefers.')
    .argument('[recipe]', 'a recipe by name (see `moiety recipes`) or a file', undefined)
    .option(
      '--data <name|dir>',
      'a data set by name, or its folder or file: classes of images, labels (.csv, .json), Parquet, tar, boxes (COCO, YOLO, Pascal VOC)',
    )
    .option(
      '--out <dir>',
      'the folder of the run (default: a new one in runs/, with the name of the recipe and what is chosen)',
    )
    .addOption(repeatable('--set <path=value>', 'set a key of the configuration'))
    .addOption(repeatable('--with <a=b,...>', "choose the recipe's parameters"))
    .option('--seed <n>', 'decides everything that is random')
    .option(
      '--resume',
      'continue from the newest checkpoint of the run; --resume=auto passes over damaged ones',
    )
    .addOption(new Option('--resume-auto').hideHelp())
    .option('--epochs <n>', 'how often all training images are seen (training.epochs)')
    .option('--lr <rate>', 'the learning rate (optimizer.learningRate)')
    .option(
      '--batch <n|auto>',
      'images in a step (training.batch); auto: as many as memory allows, which is measured',
    )
    .option(
      '--memory <amount>',
      'with --batch auto, what the training may take, such as 4GB (default: 80 % of what is available)',
    )
    .option('--size <pixels>', 'height and width of an image (data.size)')
    .option('--device <name>', 'cpu, webgpu or cuda; gpu and mps mean webgpu, and 0 means cuda')
    .option('--threads <n>', 'how many threads compute (default: all cores)')
    .option(
      '--find-lr',
      'instead of training, try rising learning rates on up to 100 steps and suggest one; writes nothing',
    )
    .option('--watch', 'open a dashboard of the training as `moiety watch` does, and print its address')
    .option(
      '--json',
      'print events as JSON, one a line (`moiety schema events`), the last of which is the summary; with --find-lr what was found',
    )
    .showHelpAfterError(
      '(add --help for what is possible; keys of the configuration are given by --set, such as --set training.epochs=2)',
    )
    .addHelpText(
      'after',
      `
Examples:
  moiety train
  moiety train cifar100-small --data DIR --with constraint=relative --seed 43
  moiety train paper-cifar100 --with constraint=kl,experts=10,position=3 --data DIR
  moiety train --resume --out runs/sample-1
  moiety train --epochs 5 --lr 0.001 --batch 64
  moiety train --watch
  moiety train --find-lr
  moiety train --json > events.jsonl
  moiety train --set training.epochs=2 --set model.moe.0.experts=8`,
    )
    .action(async (recipe: string | undefined, flags: TrainFlags) => {
      if (flags.findLr) {
        const { runFindLr } = await import('./find-lr-run.ts')
        process.exitCode = await runFindLr(recipe, flags)
        return
      }
      const { runTraining } = await import('./train-run.ts')
      process.exitCode = await runTraining(recipe, flags)
    })
}

/**
 * `--resume=auto` as a flag of its own: an option with an optional value would take the recipe that follows for it.
 *
 * @param words - the command line
 */
export function separateResume(words: readonly string[]): string[] {
  return words.map(word => {
    if (!word.startsWith('--resume=')) return word
    if (word === '--resume=auto') return '--resume-auto'
    return fail({
      kind: 'usage',
      message: `expected --resume or --resume=auto, came ${word}`,
      where: '--resume',
      help: 'the folder of the run goes to --out',
    })
  })
}
