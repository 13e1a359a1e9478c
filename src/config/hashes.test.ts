import { expect, it } from 'vitest'
import { configHash } from '../run/run-folder.ts'
import { resolveConfig, withoutSafeKeys } from './config.ts'
import { combinations, recipeConfig } from './recipe.ts'
import { loadRecipe, recipeNames } from './recipe-files.ts'

/** Of everything that components come to in `config.json`: checkpoints and sweeps know their configurations by these hashes. */
const layer = (constraint: object, more: object = {}) => ({
  model: { moe: [{ position: 4, constraint, ...more }] },
})

const configurations: readonly (readonly [string, object])[] = [
  ...['none', 'importance', 'kl', 'relative', 'mean', 'load', 'switch', 'entropy', 'z-loss', 'loss-free'].map(
    name => [name, layer({ name })] as const,
  ),
  ['lifted', layer({ name: 'relative', threshold: 0.3, lift: 3 })],
  ['conv-gap-fc', layer({ name: 'none' }, { gate: 'conv-gap-fc', gateWidth: 16 })],
  ['relu-gap-fc', layer({ name: 'none' }, { gate: 'relu-gap-fc' })],
  ...['adam', 'adamw', 'sgd'].map(name => [name, { optimizer: { name } }] as const),
  ['groups', { optimizer: { name: 'sgd', groups: [{ parameters: 'layer4.*', rate: 0.1 }] } }],
  ['constant', { schedule: { name: 'constant', warmup: { epochs: 2 } } }],
  ['step', { schedule: { name: 'step', milestones: [3, 5] } }],
  ['cosine', { schedule: { name: 'cosine' } }],
  ['one-cycle', { schedule: { name: 'one-cycle' } }],
  [
    'detector',
    {
      data: { name: 'scenes' },
      model: { stem: 'strided', detector: { mixture: { constraint: { name: 'kl' } } } },
    },
  ],
]

it('the hash of a configuration stays what it was', () => {
  const hashes = configurations.map(([name, input]) => {
    const config = resolveConfig(input, name)
    return [name, configHash(withoutSafeKeys(config)).slice(0, 16)]
  })
  expect(Object.fromEntries(hashes)).toMatchInlineSnapshot(`
    {
      "adam": "6edf6e159c0ae8e1",
      "adamw": "21f5e152890844c6",
      "constant": "8d91349e6e2fb998",
      "conv-gap-fc": "0fdbc1d195a40593",
      "cosine": "270ba005bc2c92a1",
      "detector": "dcecebc56f3aeb62",
      "entropy": "90259bc64fc05f4e",
      "groups": "d7f3a3efa33869c1",
      "importance": "0fbadec86f57590e",
      "kl": "668dde0f550f0cad",
      "lifted": "a83672dce168688c",
      "load": "bad1ea148bcf4c79",
      "loss-free": "04b52268caf8b2ba",
      "mean": "c4923b5a6d5d5ef5",
      "none": "d6c0a0dc51f66cbf",
      "one-cycle": "828fcafbfc6bd675",
      "relative": "c4e82c215587e076",
      "relu-gap-fc": "ec039687854ef57a",
      "sgd": "f93d7fb1af26a86b",
      "step": "57429854680afef7",
      "switch": "97feecfdbfdfa463",
      "z-loss": "10b016113608ecf8",
    }
  `)
})

it('the hash of every recipe stays what it was', async () => {
  const hashes = await Promise.all(
    (await recipeNames()).map(async name => {
      const recipe = await loadRecipe(name)
      const all = combinations(recipe).map(choices =>
        configHash(withoutSafeKeys(recipeConfig(recipe, choices))),
      )
      return [name, configHash(all).slice(0, 16)]
    }),
  )
  expect(Object.fromEntries(hashes)).toMatchInlineSnapshot(`
    {
      "cifar100-medium": "3582e0f9db116b5f",
      "cifar100-small": "7ceb0a649b8df639",
      "coco-32": "7bc0e8d433ac7734",
      "detect": "95ffffcaaffa778a",
      "paper-cifar100": "11594ac24071e8bc",
      "paper-retinanet": "4430e384e9a1cae4",
      "photos": "9c9c489f07b846a1",
      "sample": "4b714134483c8ffc",
      "scenes": "a9a3a07fcf4086e8",
    }
  `)
})

it('the text of a resolved configuration stays what it was', () => {
  const texts = configurations.map(([name, input]) => {
    const { model, optimizer, schedule } = resolveConfig(input, name)
    return [name, configHash([JSON.stringify([model, optimizer, schedule])]).slice(0, 16)]
  })
  expect(Object.fromEntries(texts)).toMatchInlineSnapshot(`
    {
      "adam": "bc3cd104731436bf",
      "adamw": "3b52aaaef706cf48",
      "constant": "894032b338c4d7ca",
      "conv-gap-fc": "547228d7d0b2b749",
      "cosine": "63adc255e3efe948",
      "detector": "7e197ad89685fd28",
      "entropy": "a853c82c31a09881",
      "groups": "5558879093faa69c",
      "importance": "8bd6521eb5348f20",
      "kl": "3c8f57a2838e9041",
      "lifted": "c39652cc44f1dbd9",
      "load": "8b6c665db1550faf",
      "loss-free": "d14ec0749a2adfae",
      "mean": "47ef6ab79827eba8",
      "none": "06fb9f2f25f39c93",
      "one-cycle": "592a2d533d7a5a76",
      "relative": "3af93d14bbfda717",
      "relu-gap-fc": "d6f1377045c67093",
      "sgd": "905020f53b14d18e",
      "step": "e322c184bc36e890",
      "switch": "d02a0020be3e1147",
      "z-loss": "26b24d8712ebb57a",
    }
  `)
})
