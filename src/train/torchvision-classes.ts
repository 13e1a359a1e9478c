import type { HostTensor } from '../base/tensor.ts'

type Tensors = ReadonlyMap<string, HostTensor>

/** Outputs of torchvision's detectors for an anchor: one for each category id of COCO up to 90, and 0, the background. */
const outputs = 91
/** Ids that COCO has no category for. */
const unused = new Set([0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83])
const cocoIds = Array.from({ length: outputs }, (_, id) => id).filter(id => !unused.has(id))

/**
 * The weights of a detector of torchvision with the outputs for classes in the order of a data set that has COCO's 80 categories:
 * output `id` of an anchor is the category of that id. Undefined for other weights, models and data.
 */
export function ofCocosCategories(
  model: Tensors,
  given: Tensors,
  categoryIds: readonly number[] | undefined,
): Map<string, HostTensor> | undefined {
  if (categoryIds?.toSorted((a, b) => a - b).join() !== cocoIds.join()) return undefined
  const names = ['weight', 'bias'].map(leaf => `head.classification_head.cls_logits.${leaf}`)
  const changed = new Map(given)
  for (const name of names) {
    const own = model.get(name) ?? model.get(name.replace('.cls_logits', '.experts.0.cls_logits'))
    const theirs = given.get(name)
    if (own === undefined || theirs === undefined) return undefined
    const [rows = 0, ...rest] = theirs.shape
    const anchors = own.shape[0]! / cocoIds.length
    if (rows !== anchors * outputs) return undefined
    const length = rest.reduce((product, extent) => product * extent, 1)
    const data = new Float32Array(own.shape[0]! * length)
    for (let anchor = 0; anchor < anchors; anchor++)
      for (const [label, id] of categoryIds.entries()) {
        const from = (anchor * outputs + id) * length
        for (let i = 0; i < length; i++)
          data[(anchor * cocoIds.length + label) * length + i] = Number(theirs.data[from + i])
      }
    changed.set(name, { dtype: 'float32', shape: [anchors * cocoIds.length, ...rest], data })
  }
  return changed
}
