import type { Command } from 'commander'
import { addCheckpointFlags } from './checkpoint-flags.ts'
import type { PredictFlags } from './flags.ts'

export function addPredict(program: Command): void {
  const command = program
    .command('predict')
    .summary('predict what images show with a trained run')
    .description(
      'Predicts what images show, and reports which experts computed them with which weight. A multi-label network names the labels whose probabilities reach their thresholds. A classifier, of one class or of many labels, also shows the training images that are most like an image to the network; a detector draws boxes in the colours of its experts.',
    )
    .argument('<run>', "the run's folder")
    .argument('<image...>', 'image files, folders of them, and patterns such as "photos/**/*.jpg"')
    .option('--skip-unreadable', 'leave out files that cannot be read, and name them')
    .option('--top <n>', 'of a classifier: classes to name; 5 when left out')
    .option('--neighbours <n>', 'of a classifier: training images to show, 0 for none; 8 when left out')
    .option('--data <name|dir>', 'of a classifier: where the training images are, if they were moved')
    .option(
      '--score <p>',
      'of a detector: report objects with a score above this, 0.3 when left out; of a multi-label network: labels with at least this probability, instead of the threshold of each class',
    )
    .option('--coco <file>', "of a detector: also write all detections as a results file in COCO's format")
    .option(
      '--out <file>',
      "the page, instead of prediction.html in the run; pictures go into a folder of the page's name",
    )
    .option('--device <name>', 'cpu, webgpu or cuda, instead of what trained')
    .option('--threads <n>', 'threads, instead of as many as in training')
    .option('--json', "print the predictions as JSON, with the pictures' files")
  addCheckpointFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  moiety predict runs/sample-1 photo.jpg
  moiety predict runs/sample-1 *.png --neighbours 0 --json
  moiety predict runs/sample-1 "photos/**" --skip-unreadable
  moiety predict runs/scenes-1 street.jpg --score 0.5
  moiety predict runs/scenes-1 val2017 --coco detections.json`,
    )
    .action(async (run: string, images: string[], flags: PredictFlags) => {
      const { runPrediction } = await import('./predict-run.ts')
      process.exitCode = await runPrediction(run, images, flags)
    })
}
