import { Registry } from '../../base/component.ts'
import type { TransformDefinition } from '../transform.ts'
import { definition as randAugment } from './rand-augment.ts'
import { definition as randomErasing } from './random-erasing.ts'
import { definition as randomResizedCrop } from './random-resized-crop.ts'
import { definition as trivialAugment } from './trivial-augment.ts'

const known = [randomResizedCrop, trivialAugment, randAugment, randomErasing] as const

/** All transforms. One that comes with Moiety is a file and a word of this list; flips, crops and jitter are keys of `augmentation`. */
export const transforms = new Registry<TransformDefinition, typeof known>('transform', known)
