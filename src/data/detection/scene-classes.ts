import { type Artwork, type Family, findArtwork, type Subgroups } from '../artwork.ts'
import type { FindPackage } from '../artwork-package.ts'

/** A class of the drawn scenes: a union of Unicode's subgroups. */
interface SceneClass {
  readonly name: string
  /** One of Unicode's groups. */
  readonly superclass: string
  /** What is drawn: Unicode's subgroups, by their groups. */
  readonly from: Subgroups
  /** Code points of families that look unlike the rest of the class. */
  readonly except?: readonly string[]
}

/**
 * The classes of the scenes: chosen so that a small network can distinguish them at a dozen pixels in unseen drawings,
 * so merged from Unicode's subgroups. Excluded are objects without a characteristic shape: signs, tools, clothing.
 *
 * Flowers, trees, fruits and vegetables are one class, since a detector confused them (docs/guide/detection-data.md).
 */
export const sceneClasses: readonly SceneClass[] = [
  {
    name: 'face',
    superclass: 'Smileys & Emotion',
    from: [
      [
        'Smileys & Emotion',
        [
          'face-smiling',
          'face-affection',
          'face-tongue',
          'face-hand',
          'face-neutral-skeptical',
          'face-sleepy',
          'face-unwell',
          'face-hat',
          'face-glasses',
          'face-concerned',
        ],
      ],
    ],
    // A face in clouds and one that is only a dotted line.
    except: ['1f636', '1fae5'],
  },
  {
    name: 'person',
    superclass: 'People & Body',
    from: [['People & Body', ['person-role', 'person-gesture']]],
  },
  {
    name: 'hand',
    superclass: 'People & Body',
    from: [
      [
        'People & Body',
        ['hand-fingers-open', 'hand-fingers-partial', 'hand-single-finger', 'hand-fingers-closed', 'hands'],
      ],
    ],
  },
  {
    name: 'animal',
    superclass: 'Animals & Nature',
    from: [['Animals & Nature', ['animal-mammal', 'animal-bird']]],
    // Paw prints, a pig's nose, a feather, a wing.
    except: ['1f43e', '1f43d', '1fab6', '1fabd'],
  },
  {
    name: 'plant',
    superclass: 'Animals & Nature',
    from: [
      ['Animals & Nature', ['plant-flower', 'plant-other']],
      ['Food & Drink', ['food-fruit', 'food-vegetable']],
    ],
    // Nests, a mushroom.
    except: ['1fab9', '1faba', '1f344'],
  },
  {
    name: 'building',
    superclass: 'Travel & Places',
    from: [['Travel & Places', ['place-building', 'place-religious']]],
    // A crane, bricks, a rock, wood.
    except: ['1f3d7', '1f9f1', '1faa8', '1fab5'],
  },
  {
    name: 'vehicle',
    superclass: 'Travel & Places',
    from: [['Travel & Places', ['transport-ground', 'transport-water']]],
    // Stops, lights, signs, barriers, wheels, roads, skates; a ring buoy, an anchor.
    except: [
      '1f68f',
      '1f6a5',
      '1f6a6',
      '1f6a7',
      '1f6a8',
      '1f6d1',
      '1f6de',
      '1f6e2',
      '1f6e3',
      '1f6e4',
      '1f6f9',
      '1f6fc',
      '26fd',
      '1f6df',
      '2693',
    ],
  },
  {
    name: 'clock',
    superclass: 'Travel & Places',
    from: [['Travel & Places', ['time']]],
    // A watch and two hourglasses.
    except: ['231a', '231b', '23f3'],
  },
]

/** Names of the superclasses. */
export const sceneSuperclasses: readonly string[] = [
  ...new Set(sceneClasses.map(({ superclass }) => superclass)),
]

/** The artwork, and for each class its families. */
export interface SceneArtwork {
  readonly artwork: Artwork
  readonly families: readonly (readonly Family[])[]
}

/**
 * Finds the glyphs of the scenes' classes.
 *
 * @throws MoietyError of kind `data` where a package is not installed
 */
export async function findSceneArtwork(findPackage?: FindPackage): Promise<SceneArtwork> {
  const wanted = sceneClasses.flatMap(({ from }) => from)
  const artwork = await findArtwork(findPackage, wanted, 'scenes')
  let next = 0
  const families = sceneClasses.map(({ from, except = [] }) => {
    const count = from.flatMap(([, subgroups]) => subgroups).length
    const own = artwork.families.slice(next, next + count).flat()
    next += count
    return own.filter(family => !family.some(code => except.includes(code.split('-')[0]!)))
  })
  return { artwork, families }
}
