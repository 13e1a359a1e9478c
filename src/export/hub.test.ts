import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  classes,
  dataFacts,
  randomState,
  smallConfig,
  writeCaptions,
  writeRun,
} from '../../test/untrained-run.ts'
import { sizeOf } from '../base/tensor.ts'
import { decodeSafetensors } from '../files/safetensors.ts'
import { exportRun } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-hub-'))
afterAll(() => rmSync(folder, { recursive: true }))

const layer = { experts: 4, k: 2, position: 4 }

const sameBytes = (a: ArrayBufferView, b: ArrayBufferView): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))

async function published(name: string, moe: readonly object[], model: object = {}, data = dataFacts.classes) {
  const config = smallConfig(moe, model)
  const state = randomState(config, data.length)
  const run = writeRun(join(folder, name), config, { state, data: { ...dataFacts, classes: data } })
  const hub = join(folder, `${name}-hub`)
  const { hubFiles } = await exportRun({ run, hub })
  const read = (file: string): string => readFileSync(join(hub, file), 'utf8')
  const { tensors, metadata } = decodeSafetensors(readFileSync(join(hub, 'model.safetensors')), 'hub')
  return {
    run,
    hub,
    hubFiles,
    state,
    tensors,
    metadata,
    config: JSON.parse(read('config.json')),
    card: read('README.md'),
  }
}

/** What `torchvision.models.resnet18().state_dict()` has, but for the counts of batches, which are no part of the network. */
function torchvisionNames(): string[] {
  const norm = (name: string): string[] =>
    ['weight', 'bias', 'running_mean', 'running_var'].map(leaf => `${name}.${leaf}`)
  const block = (name: string, projects: boolean): string[] => [
    ...[1, 2].flatMap(i => [`${name}.conv${i}.weight`, ...norm(`${name}.bn${i}`)]),
    ...(projects ? [`${name}.downsample.0.weight`, ...norm(`${name}.downsample.1`)] : []),
  ]
  const stages = [1, 2, 3, 4].flatMap(stage =>
    [0, 1].flatMap(i => block(`layer${stage}.${i}`, stage > 1 && i === 0)),
  )
  return ['conv1.weight', ...norm('bn1'), ...stages, 'fc.weight', 'fc.bias']
}

describe('a folder for a model hub', () => {
  it("has torchvision's names, shapes and number of parameters for a plain ResNet-18", async () => {
    const thousand = Array.from({ length: 1000 }, (_, i) => `class ${i}`)
    const { tensors, metadata, hub, hubFiles, state } = await published(
      'resnet18',
      [],
      { width: 64, stem: 'imagenet' },
      thousand,
    )
    expect([...tensors.keys()].sort()).toEqual(torchvisionNames().sort())
    expect(tensors.get('conv1.weight')?.shape).toEqual([64, 3, 7, 7])
    expect(tensors.get('layer4.0.downsample.0.weight')?.shape).toEqual([512, 256, 1, 1])
    expect(tensors.get('fc.weight')?.shape).toEqual([1000, 512])
    const trained = [...tensors].filter(([name]) => !name.includes('running'))
    // As torchvision's documentation counts them.
    expect(trained.reduce((total, [, { shape }]) => total + sizeOf(shape), 0)).toBe(11_689_512)
    expect([...tensors].filter(([name, { data }]) => !sameBytes(data, state.get(name)!.data))).toEqual([])
    expect(metadata).toEqual({ format: 'pt' })
    const files = ['README.md', 'config.json', 'model.safetensors']
    expect(readdirSync(hub).sort()).toEqual(files)
    expect([...hubFiles].sort()).toEqual(files.map(file => join(hub, file)))
  })

  it('has gates and experts where the stage would be, and all that the configuration says', async () => {
    const { tensors, config } = await published('moe', [{ ...layer, constraint: { name: 'relative' } }])
    expect([...tensors.keys()]).toEqual(
      expect.arrayContaining([
        'layer4.gate.fc.weight',
        'layer4.experts.3.1.conv2.weight',
        'layer4.shortcut.0.weight',
      ]),
    )
    expect(config).toMatchObject({
      architecture: 'resnet18',
      num_classes: classes.length,
      id2label: { 0: 'ant', 3: 'döner' },
      label2id: { ant: 0 },
      pretrained_cfg: { input_size: [3, 16, 16], mean: dataFacts.mean, std: dataFacts.std },
      moe: [{ position: 4, experts: 4, k: 2, constraint: { name: 'relative' } }],
      recipe: 'tiny',
    })
  })

  it('has a card with YAML for the hub, what was measured, and names that stay text', async () => {
    const { card, run } = await published('card', [layer])
    const [, yaml, text] = card.split(/^---$/m)
    const lines = yaml!.trim().split('\n')
    const value = (key: string): string | undefined =>
      lines.find(line => line.startsWith(`${key}: `))?.slice(key.length + 2)
    expect(value('license')).toBe('other')
    expect(value('library_name')).toBe('moiety')
    expect(JSON.parse(value('tags')!)).toEqual([
      'image-classification',
      'resnet18',
      'mixture-of-experts',
      'onnx',
      'safetensors',
    ])
    // The data of these tests is a folder, which is on no hub.
    expect(value('datasets')).toBeUndefined()
    expect(yaml).toMatch(/model-index:\n {2}- name: "tiny"\n {4}results:\n/)
    expect(yaml).toContain('{"type":"accuracy","name":"Top-1 accuracy","value":0.25}')
    expect(text).toContain('25.0 % top-1, 75.0 % top-5')
    expect(text).toContain('2 of 4 experts compute each image')
    expect(text).toContain('`<e>`')

    const experts = [{ caption: 'one | two\n---' }, { caption: null }]
    writeCaptions(run, [{ name: 'layer4', experts }])
    await exportRun({ run, hub: join(run, 'hub') })
    expect(readFileSync(join(run, 'hub', 'README.md'), 'utf8')).toContain(
      '| layer4 | 0 | one \\| two\\\\n--- |',
    )
  })

  it('says in the card that a checkpoint was not tested, where it was not', async () => {
    const { run } = await published('untested', [])
    rmSync(join(run, 'metrics.jsonl'))
    await exportRun({ run, hub: join(run, 'hub') })
    const card = readFileSync(join(run, 'hub', 'README.md'), 'utf8')
    expect(card).toContain('was not tested on held-out images')
    expect(card).not.toContain('model-index')
    expect(card).not.toContain('mixture-of-experts')
  })
})
