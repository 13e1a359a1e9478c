import { type Artwork, type Family, type FindPackage, findArtwork, type Subgroups } from '../artwork.ts'

/** A class of the drawn scenes: some of Unicode's subgroups, together. */
interface SceneClass {
  readonly name: string
  /** Unicode's group, which is its superclass. */
  readonly group: string
  readonly subgroups: readonly string[]
  /** Code points of families that do not look like the others of the class. */
  readonly except?: readonly string[]
}

/**
 * The classes of the scenes: chosen, by looking at the glyphs, for what a small network can tell apart at a dozen
 * pixels, so merged from what Unicode keeps apart. Left out is what has no shape of its own: signs, tools, clothing.
 */
export const sceneClasses: readonly SceneClass[] = [
  {
    name: 'face',
    group: 'Smileys & Emotion',
    subgroups: [
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
    // A face in clouds and one that is only a dotted line.
    except: ['1f636', '1fae5'],
  },
  { name: 'person', group: 'People & Body', subgroups: ['person-role', 'person-gesture'] },
  {
    name: 'hand',
    group: 'People & Body',
    subgroups: [
      'hand-fingers-open',
      'hand-fingers-partial',
      'hand-single-finger',
      'hand-fingers-closed',
      'hands',
    ],
  },
  {
    name: 'animal',
    group: 'Animals & Nature',
    subgroups: ['animal-mammal', 'animal-bird'],
    // Paw prints, a pig's nose, a feather, a wing.
    except: ['1f43e', '1f43d', '1fab6', '1fabd'],
  },
  {
    name: 'plant',
    group: 'Animals & Nature',
    subgroups: ['plant-flower', 'plant-other'],
    // Nests, a mushroom.
    except: ['1fab9', '1faba', '1f344'],
  },
  {
    name: 'fruit or vegetable',
    group: 'Food & Drink',
    subgroups: ['food-fruit', 'food-vegetable'],
  },
  {
    name: 'building',
    group: 'Travel & Places',
    subgroups: ['place-building', 'place-religious'],
    // A crane, bricks, a rock, wood.
    except: ['1f3d7', '1f9f1', '1faa8', '1fab5'],
  },
  {
    name: 'vehicle',
    group: 'Travel & Places',
    subgroups: ['transport-ground', 'transport-water'],
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
]

/** Names of the superclasses. */
export const sceneGroups: readonly string[] = [...new Set(sceneClasses.map(({ group }) => group))]

/** The artwork, and for each class its families. */
export interface SceneArtwork {
  readonly artwork: Artwork
  readonly families: readonly (readonly Family[])[]
}

/**
 * Looks up the glyphs of the scenes' classes.
 *
 * @throws MoietyError of kind `data` where a package is not installed
 */
export async function findSceneArtwork(findPackage?: FindPackage): Promise<SceneArtwork> {
  const wanted: Subgroups = sceneClasses.map(({ group, subgroups }) => [group, subgroups])
  const artwork = await findArtwork(findPackage, wanted, 'scenes')
  let next = 0
  const families = sceneClasses.map(({ subgroups, except = [] }) => {
    const own = artwork.families.slice(next, next + subgroups.length).flat()
    next += subgroups.length
    return own.filter(family => !family.some(code => except.includes(code.split('-')[0]!)))
  })
  return { artwork, families }
}
