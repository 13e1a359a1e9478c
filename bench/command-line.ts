import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { alternativeCases, cases } from './cases.js'
import { positive } from './positive.js'

/** The command line of the bench: apart from what it runs, so that a test can read documented calls with it. */
export function commandLine(): Command {
  return new Command('bench')
    .description('Times training steps and exported networks, alone or in turn with PyTorch.')
    .option('--python <path>', 'a Python that has torch, to compare with')
    .addOption(
      new Option('--case <name...>', 'the cases to time').choices([
        ...new Set([...cases, ...alternativeCases].map(({ name }) => name)),
      ]),
    )
    .option('--rounds <count>', 'turns of each side that are timed', positive, 7)
    .option('--warmup <count>', 'turns of each side before that', positive, 2)
    .option('--threads <count>', 'threads of each side', positive, availableParallelism())
    .option(
      '--replicas <count>',
      'divide our batch into so many parts, as training.replicas does',
      positive,
      1,
    )
    .addOption(
      new Option('--device <name>', 'with --profile: where our step runs')
        .choices(['cpu', 'webgpu', 'cuda'])
        .default('cpu'),
    )
    .option('--json', 'print the results as JSON')
    .option('--profile', 'print the time of each kind of operation, layer and node of our step instead')
    .option('--curve', 'print how the time of our step grows with experts, K, batch and threads instead')
    .option(
      '--detections',
      'time the evaluation of detections instead, in turn with pycocotools where --python has it',
    )
    .option('--alternatives', 'time other libraries of TypeScript beside ours instead')
    .option(
      '--packages <folder>',
      'with --alternatives: where their packages are installed',
      join(tmpdir(), 'moiety-alternatives'),
    )
    .option('--drift', 'print how far float32 is from float64 after twelve steps instead, and why')
    .option(
      '--same-values',
      'print the training loss of a plain network beside that of PyTorch from the same first values and batches instead',
    )
    .option('--steps <count>', 'with --same-values: steps of each training', positive, 300)
    .option('--data <folder>', 'with --same-values: CIFAR-100; the embedded sample when not given')
    .option(
      '--seeds <count>',
      'with --drift: trainings of a network until a choice differs, at most; with --same-values: trainings',
      positive,
      1,
    )
}
