import { fail } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import { nearest } from '../config/shape.ts'
import { datasets } from '../data/custom-dataset.ts'
import { getCifar } from '../data/index.ts'
import type { GetFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { clean, painter, wrap } from './screen.ts'

const sets = [
  {
    name: 'sample',
    use: '--data sample',
    what: 'Drawings (emoji artwork of three vendors) on coloured grounds, 32×32, drawn on first use from packages that come with Moiety. Test images show drawings never seen in training. A sample, not a benchmark.',
  },
  {
    name: 'cifar10',
    use: 'moiety data get cifar10 --to DIR, then --data DIR',
    what: '60,000 photographs in 10 classes, 32×32; 10,000 of them for testing.',
  },
  {
    name: 'cifar100',
    use: 'moiety data get cifar100 --to DIR, then --data DIR',
    what: '60,000 photographs in 100 classes and 20 superclasses, 32×32; 10,000 of them for testing.',
  },
  {
    name: 'folder',
    use: '--data DIR',
    what: 'Your images: class/image or superclass/class/image, as JPEG, PNG or WebP, also below folders for splits (train, val, test).',
  },
  {
    name: 'multi-label',
    use: '--data DIR',
    what: 'Your images with any number of labels each, from labels.csv, labels.json or labels.jsonl (docs/multi-label.md).',
  },
  {
    name: 'scenes',
    use: '--data scenes',
    what: 'For detectors: scenes of 1 to 8 such drawings with boxes, 128×128, drawn on first use. Test scenes show drawings never seen in training. Not a benchmark.',
  },
  {
    name: 'coco',
    use: '--data DIR',
    what: "For detectors: your images with annotations in the layout and the names of COCO's own files (docs/detection-data.md).",
  },
  {
    name: 'boxes',
    use: '--data DIR',
    what: 'For detectors: your images with annotations in any other layout of COCO, of YOLO or of Pascal VOC, as tools export them.',
  },
] as const

/** `moiety data` */
export function listData(json: boolean): void {
  const own = datasets.added.map(({ name, description }) => ({
    name,
    use: `--data ${name}`,
    what: `${description} (a component of yours)`,
  }))
  const all = [...sets, ...own]
  if (json) {
    printJson(all)
    return
  }
  const paint = painter(process.stdout)
  print(
    all
      .map(({ name, use, what }) => `${paint.bold(name)}  ${paint.dim(use)}\n${wrap(clean(what), '  ')}`)
      .join('\n\n'),
  )
}

/** `moiety data get` */
export async function getData(name: string, flags: GetFlags): Promise<void> {
  if (name !== 'cifar10' && name !== 'cifar100') {
    const guess = nearest(name, ['cifar10', 'cifar100'])
    fail({
      kind: 'usage',
      message: `"${name}" cannot be downloaded; cifar10 and cifar100 can`,
      help:
        guess === undefined
          ? 'the sample needs no download, and a folder is yours'
          : `did you mean ${guess}?`,
    })
  }
  const progress = createProgress(process.stderr)
  try {
    const directory = await getCifar(name, {
      to: flags.to,
      progress: event => progress.show({ kind: 'progress', ...event }),
    })
    progress.end()
    if (flags.json) printJson({ name, directory })
    else print(`${name} is in ${clean(directory)}; train with --data ${shellWord(directory)}`)
  } finally {
    progress.end()
  }
}
