import type { Dim, Graph, Tensor } from '../graph/index.ts'
import { ignoredClass } from './detection/anchor-matching.ts'
import type { DetectionTargets } from './detection/losses.ts'

/**
 * Targets as inputs of a program with declared valid values: every program that trains or
 * evaluates declares them here, and `LoadedProgram` checks what is fed. Otherwise a label −1 would have no class in the
 * loss and train silently, and one too large would cause an engine error about an index.
 */

/**
 * `labels` int64 [N], each from 0 to `classes` − 1.
 *
 * @param images - N
 */
export function labelInput(graph: Graph, images: Dim, classes: number, name = 'labels'): Tensor {
  return graph.input(name, 'int64', [images], {
    least: 0,
    most: classes - 1,
    expected: `class labels from 0 to ${classes - 1}`,
    help: 'number classes from 0, build the program for all of them, and omit images without a class',
  })
}

/** Names of the inputs with the anchors' targets. */
export const targetInputs = { classes: 'classTargets', boxes: 'boxTargets' } as const

/** `classTargets` int64 [N, A] and `boxTargets` float32 [N, A, 4], as `anchorTargets` makes them, for C classes. */
export function anchorTargetInputs(
  graph: Graph,
  [images, anchors]: readonly [images: number, anchors: number],
  classes: number,
): DetectionTargets {
  const help = 'create them with anchorTargets, for as many classes as the detector has'
  return {
    classes: graph.input(targetInputs.classes, 'int64', [images, anchors], {
      least: ignoredClass,
      most: classes,
      expected: `a class from 0 to ${classes - 1} for each anchor, ${classes} for the background or ${ignoredClass} for what does not count`,
      help,
    }),
    boxes: graph.input(targetInputs.boxes, 'float32', [images, anchors, 4], {
      least: -Infinity,
      most: Infinity,
      expected: 'finite codes of boxes',
      help: `${help}; anchors without an object have zeros`,
    }),
  }
}
