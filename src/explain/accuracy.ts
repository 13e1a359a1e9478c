import type { VariantFindings } from './findings.ts'

/**
 * Which fraction of the images is named right, altogether and of each class; null for a class without images.
 *
 * @param predictions - int32 [N], the class that was named
 * @param labels - int32 [N], the class that it is
 */
export function accuracyOf(predictions: Int32Array, labels: Int32Array, classes: number): VariantFindings {
  const right = new Float64Array(classes)
  const images = new Float64Array(classes)
  for (const [n, label] of labels.entries()) {
    images[label]! += 1
    right[label]! += Number(predictions[n] === label)
  }
  return {
    top1: right.reduce((a, b) => a + b, 0) / labels.length,
    perClass: Array.from(images, (count, c) => (count === 0 ? null : right[c]! / count)),
  }
}
