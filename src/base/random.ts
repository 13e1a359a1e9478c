/**
 * Randomness as a function, not a stream: every number is Threefry-2x32-20 (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011) of a key (seed, purpose) and a counter (major, minor, position).
 * Which numbers image 17 of epoch 3 gets does not depend on earlier draws, so an interrupted training that
 * resumes draws exactly what it would have drawn.
 */
const parity = 0x1bd11bda
const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const

/** One block of Threefry-2x32 with 20 rounds: two 32-bit words from a 64-bit key and a 64-bit counter. */
export function threefry(key0: number, key1: number, counter0: number, counter1: number): [number, number] {
  const keys = [key0 | 0, key1 | 0, parity ^ key0 ^ key1] as const
  let a = (counter0 + keys[0]) | 0
  let b = (counter1 + keys[1]) | 0
  for (let round = 0; round < 20; round++) {
    const bits = rotations[round & 7]!
    a = (a + b) | 0
    b = ((b << bits) | (b >>> (32 - bits))) ^ a
    if ((round & 3) === 3) {
      const injection = (round >> 2) + 1
      a = (a + keys[injection % 3]!) | 0
      b = (b + keys[(injection + 1) % 3]! + injection) | 0
    }
  }
  return [a >>> 0, b >>> 0]
}

/** FNV-1a of a purpose's name: turns "augment" or "layer4.gate.noise" into the second half of the key. */
function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Numbers drawn in order from one key of the random function. */
export interface Draws {
  /** An integer in [0, 2³²). */
  uint32(): number
  /** A number in [0, 1) with 32 random bits. */
  uniform(): number
  /** A number in [low, high). */
  between(low: number, high: number): number
  /** An integer in [0, count). */
  below(count: number): number
  /** A standard normal number (Box–Muller). */
  normal(): number
  /** The integers 0 … count−1 in random order (Fisher–Yates). */
  permutation(count: number): Uint32Array
}

/**
 * The stream of (seed, purpose, major, minor).
 *
 * @param purpose - what the numbers are for, e.g. `"order"`, `"augment"`, `"layer4.gate.noise"`
 * @param major - the epoch or step, a non-negative integer below 2³²
 * @param minor - the index within it, for example an image's number
 */
export function draws(seed: number, purpose: string, major = 0, minor = 0): Draws {
  const [key0, key1] = threefry(seed, hashName(purpose), major, minor)
  let position = 0
  let spare: number | undefined
  let spareNormal: number | undefined
  const uint32 = (): number => {
    if (spare !== undefined) {
      const word = spare
      spare = undefined
      return word
    }
    const [first, second] = threefry(key0, key1, position++, 0)
    spare = second
    return first
  }
  const uniform = (): number => uint32() / 4294967296
  const below = (count: number): number => Math.floor(uniform() * count)
  return {
    uint32,
    uniform,
    below,
    between: (low, high) => low + (high - low) * uniform(),
    normal: () => {
      if (spareNormal !== undefined) {
        const value = spareNormal
        spareNormal = undefined
        return value
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      spareNormal = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
    permutation: count => {
      const order = Uint32Array.from({ length: count }, (_, i) => i)
      for (let i = count - 1; i > 0; i--) {
        const j = below(i + 1)
        const held = order[i]!
        order[i] = order[j]!
        order[j] = held
      }
      return order
    },
  }
}
