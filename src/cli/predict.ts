import type { Command } from 'commander'

export interface PredictFlags {
  readonly out?: string
  readonly top: string
  readonly neighbours: string
  readonly data?: string
  readonly threads?: string
  readonly json?: true
}

export function addPredict(program: Command): void {
  program
    .command('predict')
    .summary('ask a trained run about images')
    .description(
      'Says what images show, which experts looked at them with which weight, and which training images that the same experts computed they are most like.',
    )
    .argument('<run>', "the run's folder")
    .argument('<image...>', 'JPEG, PNG or WebP files')
    .option('--top <n>', 'classes to name', '5')
    .option('--neighbours <n>', 'training images to show, 0 for none', '8')
    .option('--out <file>', 'the page with the pictures, instead of prediction.html in the run')
    .option('--data <name|dir>', 'where the training images are, if they were moved')
    .option('--threads <n>', 'threads, instead of as many as in training')
    .option('--json', 'print the predictions as JSON, pictures included')
    .addHelpText(
      'after',
      `
Examples:
  moiety predict runs/sample-1 photo.jpg
  moiety predict runs/sample-1 *.png --neighbours 0 --json`,
    )
    .action(async (run: string, images: string[], flags: PredictFlags) => {
      const { runPrediction } = await import('./predict-run.ts')
      await runPrediction(run, images, flags)
    })
}
