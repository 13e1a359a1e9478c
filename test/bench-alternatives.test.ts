import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PackageFolder } from '../bench/alternative-packages.ts'
import {
  type AlternativesOfCase,
  agreement,
  chosenAlternatives,
  describeAlternatives,
} from '../bench/alternatives.ts'
import { commandLine } from '../bench/command-line.ts'
import { folded } from '../bench/plain-network.ts'
import { timing } from '../bench/statistics.ts'

/** The choices, arithmetic and words of the bench's other libraries; what it times is timed by hand. */
describe('the alternatives of the bench', () => {
  it('are asked for on the command line, of plain networks', () => {
    const parsed = commandLine().parse(
      ['--alternatives', '--packages', 'there', '--case', 'small', 'dense-exported-128'],
      { from: 'user' },
    )
    const { alternatives, packages, case: names } = parsed.opts()
    expect({ alternatives, packages }).toEqual({ alternatives: true, packages: 'there' })
    expect(chosenAlternatives(names).map(({ name, batch }) => [name, batch])).toEqual([
      ['small', 8],
      ['dense-exported-128', 128],
    ])
    expect(chosenAlternatives(undefined).map(({ name }) => name)).toEqual([
      'dense-exported-1',
      'dense-exported-16',
      'small',
    ])
    expect(() => chosenAlternatives(['resblock-e4-p1'])).toThrow(
      '--alternatives compares plain networks, and resblock-e4-p1 has experts',
    )
  })

  it('are found where they are installed, or the command that installs what lacks is told', () => {
    const folder = mkdtempSync(join(tmpdir(), 'moiety-alternatives-'))
    const needed = [
      { name: '@some/one', version: '1.2.3' },
      { name: 'other', version: '4.5.6' },
    ]
    const packages = new PackageFolder(folder)
    expect(packages.lacks(needed)).toBe(`not installed: npm i --prefix ${folder} @some/one@1.2.3 other@4.5.6`)
    const own = join(folder, 'node_modules', '@some', 'one')
    mkdirSync(own, { recursive: true })
    writeFileSync(join(own, 'package.json'), JSON.stringify({ version: '1.3.0', main: 'main.js' }))
    writeFileSync(join(own, 'main.js'), 'exports.value = 42')
    expect(packages.lacks(needed)).toBe(`not installed: npm i --prefix ${folder} other@4.5.6`)
    expect(packages.lacks([needed[0]!])).toBeUndefined()
    expect(packages.installed([needed[0]!])).toBe('@some/one 1.3.0')
    expect(packages.load('@some/one').value).toBe(42)
  })

  it('must compute what we do', () => {
    expect(agreement([4, 2, 0], [4, 2.004, 0])).toBeCloseTo(0.001, 6)
    // Losses of a few steps: little of their value, much of what the steps changed.
    expect(() => agreement([4.5, 4.45], [4.5, 4.451])).toThrow('differ from ours by 2.0e-2 of their range')
    expect(() => agreement([1, 2], [1, Number.NaN])).toThrow('computes something else')
    expect(() => agreement([1, 2], [1])).toThrow('1 outputs, ours has 2')
  })

  it('get BatchNorm in the kernel', () => {
    const tensor = (...data: number[]) => ({ shape: [data.length], data: Float32Array.from(data) })
    const state = new Map([
      ['conv.weight', { ...tensor(1, 2, 3, 4), shape: [2, 2, 1, 1] }],
      ['bn.weight', tensor(2, 6)],
      ['bn.bias', tensor(1, 0)],
      ['bn.running_mean', tensor(5, 10)],
      ['bn.running_var', tensor(4 - 1e-5, 9 - 1e-5)],
    ])
    const { kernel, bias } = folded(state, 'conv', 'bn')
    expect(kernel.shape).toEqual([2, 2, 1, 1])
    for (const [i, value] of [1, 2, 6, 8].entries()) expect(kernel.data[i]).toBeCloseTo(value, 5)
    for (const [i, value] of [-4, -20].entries()) expect(bias[i]).toBeCloseTo(value, 4)
    expect(() => folded(state, 'conv2', 'bn')).toThrow('the network has no conv2.weight')
  })

  it('are in the table, or why they are not', () => {
    const measured: AlternativesOfCase = {
      name: 'small',
      title: 'ResNet-18',
      task: 'training',
      batch: 8,
      loadAverage: [1, 2],
      results: [
        {
          name: 'moiety',
          title: 'Moiety',
          packages: '',
          threads: 2,
          timing: timing([0.5, 0.4, 0.6]),
          ratio: 1,
          distance: 0,
          peakBytes: 1e9,
        },
        { name: 'tfjs-wasm', title: 'TensorFlow.js', packages: 'tfjs 4', reason: 'no such kernel' },
        {
          name: 'jax-js',
          title: 'jax-js',
          packages: 'jax 0.1',
          threads: 1,
          timing: timing([2]),
          ratio: 4,
          distance: 0.0007,
          peakBytes: 2.5e9,
        },
      ],
    }
    const text = describeAlternatives([measured])
    expect(text).toContain('ResNet-18, batch 8: a training step, load 1.0 → 2.0')
    expect(text).toMatch(/Moiety +│ +2 │ 0\.500 s │ +1\.00× │ +40 % │ +16\.0 │/)
    expect(text).toMatch(/jax-js +│ +1 │ +2\.00 s │ +4\.00× │ +0 % │ +4\.00 │ +7e-4 │ +2\.50 GB/)
    expect(text).toContain('TensorFlow.js (tfjs 4): no such kernel')
    expect(text).toContain('with tfjs 4; jax 0.1')
  })
})
