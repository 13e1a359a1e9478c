import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { chooseEntry } from './weight-entries.ts'

/** Tensors stand for themselves as numbers. */
const isTensor = (value: unknown): value is number => typeof value === 'number'
const net = (prefix = '', first = 1): [string, number][] =>
  ['conv1.weight', 'layer1.0.conv1.weight', 'fc.weight'].map((name, i) => [`${prefix}${name}`, first + i])
const choose = (root: unknown, wanted: string | null = null) => chooseEntry(root, isTensor, wanted, 'net.pth')

function refusal(root: unknown, wanted: string | null = null): MoietyError {
  try {
    choose(root, wanted)
  } catch (error) {
    if (error instanceof MoietyError) return error
    throw error
  }
  return expect.unreachable('it was taken')
}

describe('the network in a checkpoint', () => {
  it.each([
    ['alone', new Map(net()), ''],
    [
      'under state_dict',
      new Map<string, unknown>([
        ['state_dict', new Map(net())],
        ['epoch', 3],
      ]),
      'state_dict',
    ],
    ['under model_state_dict', new Map([['model_state_dict', new Map(net())]]), 'model_state_dict'],
    [
      'under model',
      new Map<string, unknown>([
        ['optimizer', new Map([['a.weight', 9]])],
        ['model', new Map(net())],
      ]),
      'model',
    ],
    ['of DataParallel', new Map(net('module.')), 'module'],
    ['of a compiled DataParallel', new Map(net('_orig_mod.module.')), '_orig_mod.module'],
    ['of Lightning', new Map([['state_dict', new Map(net('model.'))]]), 'state_dict.model'],
    ['with any prefix', new Map(net('my_net.encoder.')), 'my_net.encoder'],
  ])('is found %s', (_, root, label) => {
    const entry = choose(root)
    expect([...entry.tensors]).toEqual(net())
    expect([entry.label, entry.notes]).toEqual([label, []])
  })

  it('has a classifier beside its backbone', () => {
    const [stem, block, fc] = net()
    const root = new Map([
      ...net('model.backbone.').slice(0, 2),
      [`model.${fc![0]}`, 3] as const,
      ['loss.weight', 4] as const,
    ])
    const entry = choose(root)
    expect([...entry.tensors]).toEqual([stem, block, fc])
    expect(entry.notes).toEqual(['left out of the weights: loss.weight, which are outside of the network'])
  })

  it("keeps torchvision's names of a detector", () => {
    const names = [
      'backbone.body.conv1.weight',
      'backbone.body.layer1.0.conv1.weight',
      'backbone.fpn.a.weight',
      'head.b.weight',
    ]
    const root = (prefix: string) => new Map(names.map((name, i) => [prefix + name, i]))
    expect([...choose(root('')).tensors.keys()]).toEqual(names)
    expect([...choose(root('module.')).tensors.keys()]).toEqual(names)
  })

  it('is the moving average where there is one, and says how to take the other', () => {
    const root = new Map<string, unknown>([
      ['model', new Map(net())],
      ['model_ema', new Map([['n_averaged', 7], ...net('module.', 11)])],
    ])
    const entry = choose(root)
    expect([...entry.tensors]).toEqual(net('', 11))
    expect(entry.notes).toEqual([
      'took the moving average (EMA) "model_ema.module" of the weights; --set model.weightsEntry=model takes the other',
    ])
    expect([...choose(root, 'model').tensors]).toEqual(net())
    expect(refusal(root, 'nowhere').message).toBe(
      'expected the entry "nowhere" in the weights, found model, model_ema.module',
    )
  })

  it.each(['ema', 'state_dict_ema', 'params_ema', 'ema_state_dict', 'swa'])('knows that %s is one', name => {
    const root = new Map([
      ['state_dict', new Map(net())],
      [name, new Map(net('', 5))],
    ])
    expect(choose(root).label).toBe(name)
  })

  it('must be named where several could be meant', () => {
    const root = new Map([
      ['teacher', new Map(net())],
      ['student', new Map(net('', 5))],
    ])
    const error = refusal(root)
    expect(error.message).toBe('the weights have 2 entries with a network: teacher, student')
    expect(error.help).toBe('choose one: --set model.weightsEntry=teacher')
    expect([...choose(root, 'student').tensors]).toEqual(net('', 5))
    const both = new Map([...net('encoder_q.'), ...net('encoder_k.', 5)])
    expect(refusal(both).message).toContain('encoder_q, encoder_k')
    expect([...choose(both, 'encoder_k').tensors]).toEqual(net('', 5))
  })

  it.each([
    ['a list', [1, 2], ''],
    [
      'numbers',
      new Map([
        ['epoch', 'x'],
        ['lr', 'y'],
      ]),
      '; found epoch, lr',
    ],
    ['an optimizer alone', new Map([['optimizer', new Map(net())]]), '; found optimizer'],
  ])('is not found in %s', (_, root, found) => {
    expect(refusal(root).message).toContain(`such as conv1.weight${found}`)
  })
})
