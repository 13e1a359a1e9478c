import { fail } from '../../base/errors.ts'
import { type ClassFolder, findImages } from '../folder-tree.ts'
import type { SplitName } from '../split-names.ts'
import type { LabelledImage, LabelledImages, ReadOptions } from './labelled-images.ts'

/** Images in one folder a class; see `findImages`. */
export async function readClassFolders(directory: string, options: ReadOptions): Promise<LabelledImages> {
  const tree = await findImages(directory, options)
  const folders = tree.train
  const superclasses = superclassesOf(folders)
  return {
    classes: namesOf(folders),
    superclasses,
    superclassOf: superclasses && folders.map(({ superclass }) => superclasses.indexOf(superclass!)),
    train: itemsOf('train', folders, folders),
    val: tree.val && itemsOf('val', tree.val, folders),
    test: tree.test && itemsOf('test', tree.test, folders),
    notices: [tree.leftOut, tree.alike].filter(each => each !== undefined),
  }
}

const keyOf = ({ superclass, name }: ClassFolder): string => `${superclass ?? ''}/${name}`

/**
 * The files of `folders`, each labelled by the place of its class among `classes`. A class without files may have any
 * name.
 */
function itemsOf(
  split: SplitName,
  folders: readonly ClassFolder[],
  classes: readonly ClassFolder[],
): readonly LabelledImage[] {
  const labels = new Map(classes.map((each, label) => [keyOf(each), label]))
  const unknown = folders.filter(each => each.files.length > 0 && !labels.has(keyOf(each)))
  if (unknown.length > 0) {
    const [first] = unknown
    const alike = classes.find(each => keyOf(each).toLowerCase() === keyOf(first!).toLowerCase())
    fail({
      kind: 'data',
      message: `expected ${split} images of classes that have training images, found ${unknown.length === 1 ? 'the class' : `${unknown.length} classes,`} ${someOf(unknown.map(({ name }) => name))}, which ${unknown.length === 1 ? 'has' : 'have'} none`,
      where: first!.place,
      help:
        alike === undefined
          ? 'every split must hold folders of the same names; move images without a class elsewhere'
          : `in training its name is ${alike.name}: use one name in all splits`,
    })
  }
  return folders.flatMap(folder => {
    const label = labels.get(keyOf(folder))!
    return folder.files.map(path => ({ path, label }))
  })
}

/** The first few of some names. */
function someOf(names: readonly string[]): string {
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
}

/** The names of the classes; where two superclasses have a class of one name, with their superclass. */
function namesOf(folders: readonly ClassFolder[]): readonly string[] {
  const count = new Map<string, number>()
  for (const { name } of folders) count.set(name, (count.get(name) ?? 0) + 1)
  return folders.map(({ superclass, name }) => (count.get(name)! > 1 ? `${superclass}/${name}` : name))
}

function superclassesOf(folders: readonly ClassFolder[]): readonly string[] | undefined {
  const names = new Set(folders.map(({ superclass }) => superclass).filter(name => name !== undefined))
  return names.size > 0 ? [...names] : undefined
}
