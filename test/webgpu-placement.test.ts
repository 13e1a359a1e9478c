import { beforeAll, describe, expect, it } from 'vitest'
import { constraints, gates } from '../src/moe/index.ts'
import { optimizers } from '../src/optim/index.ts'
import { icd, onSwiftShader, titled } from './swiftshader.ts'

/** Where ONNX Runtime would run a step, by its log. */
interface Placed {
  /** Values that it copies from the device to the host within a step, for nodes that the processor computes. */
  readonly toHost: number
  /** Positions of a mask: what it copies to the host for them is how many images an expert gets. */
  readonly positions: number
}

/** The log of one session after another, each below a line `step NAME`. */
function placedSteps(log: string): Map<string, Placed> {
  const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length
  return new Map(
    log
      .split(/^step /m)
      .slice(1)
      .map(text => {
        const [, onCpu = ''] =
          /Node\(s\) placed on \[CPUExecutionProvider\]([\s\S]*?)placed on \[/.exec(text) ?? []
        const placed = {
          toHost: count(text, /AddCopyNode\] Add MemcpyToHost /g),
          positions: count(onCpu, /\] +NonZero \(/g),
        }
        return [text.slice(0, text.indexOf('\n')), placed] as const
      }),
  )
}

describe.skipIf(icd === undefined)(titled('steps of classifiers on WebGPU by SwiftShader'), () => {
  let placed = new Map<string, Placed>()
  beforeAll(async () => {
    placed = placedSteps((await onSwiftShader('device-placements.js')).stderr)
  })

  /** The steps whose names begin so, as lines `NAME: …`. */
  const of = (...names: string[]): string[] =>
    names.map(name => {
      const { toHost, positions } = placed.get(name) ?? {}
      return `${name}: ${toHost} copies, ${positions} positions`
    })
  const none = (names: readonly string[]): string[] => names.map(name => `${name}: 0 copies, 0 positions`)

  it.each(['constraint', 'gate'])(
    'by sparse dispatch wait for nothing but an extent of each expert, with every %s',
    kind => {
      const names = (kind === 'gate' ? gates.names().map(name => `gate ${name}`) : constraints.names()).map(
        name => `${name}, sparse`,
      )
      // Three experts.
      expect(of(...names)).toEqual(names.map(name => `${name}: 3 copies, 3 positions`))
    },
  )

  it.each(
    (['dense', 'capacity'] as const).flatMap(dispatch =>
      (['constraint', 'gate'] as const).map(kind => [dispatch, kind] as const),
    ),
  )('by dispatch %s copy nothing to the host, with every %s', (dispatch, kind) => {
    const names = (kind === 'gate' ? gates.names().map(name => `gate ${name}`) : constraints.names()).map(
      name => `${name}, ${dispatch}`,
    )
    expect(of(...names)).toEqual(none(names))
  })

  it('copy nothing to the host with every optimizer, and every other part', () => {
    const rest = [...placed.keys()].filter(
      name => !/, (sparse|dense|capacity)$/.test(name) && !/^K = [1E]$/.test(name),
    )
    for (const name of optimizers.names()) expect(rest).toContain(`${name} {}`)
    expect(rest.length).toBeGreaterThan(25)
    expect(of(...rest)).toEqual(none(rest))
  })
})
