import { closeSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { isThere, kindOf } from '../../files/disk.ts'
import { openRegular } from '../../files/regular-file.ts'
import { labelFileNames } from './label-file.ts'

/**
 * The labels file that a path means: itself, or the one in the folder.
 *
 * @throws MoietyError `data` where there is none, or more than one
 */
export function findLabelFile(path: string): string {
  if (kindOf(path) === 'file') return path
  const [file, other] = labelFileNames.map(name => join(path, name)).filter(isThere)
  if (file !== undefined && other === undefined) return file
  return fail({
    kind: 'data',
    message:
      file === undefined
        ? `expected a folder with ${labelFileNames.join(', ')}, or such a file, found ${kindOf(path) === 'folder' ? 'none of them' : 'nothing'}`
        : `expected one labels file, found ${file} and ${other}`,
    where: path,
    help:
      file === undefined
        ? 'docs/multi-label.md shows what the file should hold'
        : 'remove one of them, or give the file instead of the folder',
  })
}

/** Whether a path is a labels file, or a folder with one: by the names, and of a folder by how the file begins. */
export function holdsLabels(path: string): boolean {
  if (kindOf(path) === 'file') return /\.(csv|json|jsonl|ndjson)$/i.test(path)
  return labelFileNames.some(name => isThere(join(path, name)) && beginsAsLabels(join(path, name)))
}

/** So much of a file is looked at; a header may name thousands of classes. */
const looked = 1 << 18

/** A folder of classes may hold a `labels.csv` or `labels.json` of another kind. */
function beginsAsLabels(file: string): boolean {
  const bytes = Buffer.alloc(looked)
  let text = ''
  try {
    const descriptor = openRegular(file)
    try {
      text = bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, looked, 0)).replace(/^\ufeff/, '')
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // One that cannot be read says nothing; whoever opens the data says why.
    return false
  }
  if (!file.endsWith('.csv'))
    return /^\s*[[{]/.test(text) && /"path"\s*:/.test(text) && /"labels"\s*:/.test(text)
  const [header = ''] = text.split('\n', 1)
  return header.split(',').some(name => name.trim().replace(/^"(.*)"$/, '$1') === 'path')
}
