import { fail } from '../../base/errors.ts'
import { type Dataset, heldOutSplit } from '../../data/index.ts'

/**
 * Refuses data from which nothing can be learned or tested.
 *
 * @throws MoietyError `data`
 */
export function checkTrainable(dataset: Dataset): void {
  const { train, title, classes } = dataset
  const heldOut = dataset[heldOutSplit(dataset)]?.length ?? 0
  if (classes.length < 2) {
    fail({
      kind: 'data',
      message: `expected two classes or more to tell apart, found ${classes[0] ?? 'none'} alone`,
      where: title,
      help: 'one folder a class: DIR/cat/1.jpg, DIR/dog/1.jpg',
    })
  }
  if (train.length === 0 || heldOut === 0) {
    fail({
      kind: 'data',
      message: `training expected images to train and to test on, but got ${train.length} and ${heldOut}`,
      where: title,
      help: 'look at data.directory and data.limit',
    })
  }
}
