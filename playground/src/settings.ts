import { type Config, resolveConfig } from 'moiety/step'

/** What a visitor can choose. The address holds it, so that a link opens the same training. */
export interface Settings {
  /** Experts of the layer (E). */
  readonly e: number
  /** Experts that compute each image (K). */
  readonly k: number
  /** The stage that is a mixture of experts. */
  readonly position: number
  readonly gate: string
  readonly constraint: string
  /** The constraint's weight, threshold or rate; null: as published. */
  readonly weight: number | null
  readonly noise: 'published' | 'on' | 'off'
  readonly lr: number
  readonly seed: number
}

export type SettingName = keyof Settings

/** How a control looks and what it takes. */
export interface Control {
  readonly name: SettingName
  readonly label: string
  /** One sentence. */
  readonly help: string
  readonly kind: 'choice' | 'number'
  readonly choices?: readonly (readonly [value: string, text: string])[]
  readonly least?: number
  readonly most?: number
  readonly whole?: boolean
}

/** Names of constraints as people read them. */
export const constraintTexts: readonly (readonly [string, string])[] = [
  ['none', 'none'],
  ['importance', 'importance (soft)'],
  ['kl', 'KL divergence (soft)'],
  ['load', 'load (soft)'],
  ['entropy', 'entropy (soft)'],
  ['switch', 'switch (soft)'],
  ['mutual-information', 'mutual information (soft)'],
  ['z-loss', 'z-loss (soft)'],
  ['relative', 'relative importance (hard)'],
  ['mean', 'mean importance (hard)'],
  ['loss-free', 'loss-free bias (hard)'],
]

/** What the number beside a constraint is: its option, and the value as published. None for those that have none. */
const constraintOptions: Readonly<Record<string, readonly [option: string, usual: number]>> = {
  importance: ['weight', 0.5],
  kl: ['weight', 0.5],
  load: ['weight', 0.1],
  entropy: ['weight', 0.5],
  switch: ['weight', 0.01],
  'mutual-information': ['weight', 0.5],
  'z-loss': ['weight', 0.001],
  relative: ['threshold', 0.5],
  mean: ['threshold', 0.3],
  'loss-free': ['rate', 0.001],
}

export const controls: readonly Control[] = [
  {
    name: 'e',
    label: 'experts',
    help: 'E: how many experts the layer has.',
    kind: 'number',
    least: 2,
    most: 16,
    whole: true,
  },
  {
    name: 'k',
    label: 'chosen',
    help: 'K: how many experts compute each image; the others rest.',
    kind: 'number',
    least: 1,
    most: 16,
    whole: true,
  },
  {
    name: 'position',
    label: 'position',
    help: 'The stage of the ResNet that is a mixture of experts: 1 sees edges and colours, 4 whole things.',
    kind: 'choice',
    choices: [1, 2, 3, 4].map(stage => [String(stage), `stage ${stage}`] as const),
  },
  {
    name: 'gate',
    label: 'gate',
    help: 'The small network that scores the experts for an image.',
    kind: 'choice',
    choices: [
      ['gap-fc', 'GAP-FC'],
      ['relu-gap-fc', 'ReLU-GAP-FC'],
      ['conv-gap-fc', 'Conv-GAP-FC'],
    ],
  },
  {
    name: 'constraint',
    label: 'constraint',
    help: 'What keeps the experts in balance: soft ones add to the loss, hard ones close busy experts for a step.',
    kind: 'choice',
    choices: constraintTexts,
  },
  {
    name: 'weight',
    label: 'weight',
    help: 'How strong the constraint is: its weight in the loss, its threshold or its rate; empty is as published.',
    kind: 'number',
    least: 0,
    most: 1000,
  },
  {
    name: 'noise',
    label: 'noise',
    help: 'Noise on the scores while training, so that other experts are tried too.',
    kind: 'choice',
    choices: [
      ['published', 'as published'],
      ['on', 'on'],
      ['off', 'off'],
    ],
  },
  {
    name: 'lr',
    label: 'learning rate',
    help: 'How far each step moves the weights.',
    kind: 'number',
    least: 0.0001,
    most: 1,
  },
  {
    name: 'seed',
    label: 'seed',
    help: 'Where chance begins: equal seeds give equal first weights, order of images and noise.',
    kind: 'number',
    least: 0,
    most: 999_999,
    whole: true,
  },
]

export const defaults: Settings = {
  e: 4,
  k: 2,
  position: 4,
  gate: 'gap-fc',
  constraint: 'none',
  weight: null,
  noise: 'published',
  lr: 0.05,
  seed: 42,
}

/** In what a second run differs. */
export interface Difference {
  readonly name: SettingName
  readonly value: string
}

/** All that the address says. */
export interface Choice {
  readonly settings: Settings
  readonly against: Difference | undefined
  /** Where to compute: `auto` is WebGPU where there is a graphics card, else WebAssembly. */
  readonly device: 'auto' | 'wasm' | 'webgpu'
}

export const usualChoice: Choice = {
  settings: defaults,
  against: { name: 'constraint', value: 'importance' },
  device: 'auto',
}

/** Settings with one of them as the text of a control or an address says; undefined where it cannot be. */
export function withSetting(settings: Settings, name: SettingName, text: string): Settings | undefined {
  const control = controls.find(one => one.name === name)
  if (control === undefined) return undefined
  if (control.choices !== undefined && !control.choices.some(([value]) => value === text)) return undefined
  if (name === 'weight' && text === '') return { ...settings, weight: null }
  const isNumber = control.kind === 'number' || name === 'position'
  if (!isNumber)
    return fitting({ ...settings, [name]: text, ...(name === 'constraint' ? { weight: null } : {}) })
  const value = Number(text)
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY, whole = false } = control
  if (text.trim() === '' || !(value >= least && value <= most) || (whole && !Number.isInteger(value)))
    return undefined
  return fitting({ ...settings, [name]: value })
}

/** K is at most E. */
function fitting(settings: Settings): Settings {
  return settings.k <= settings.e ? settings : { ...settings, k: settings.e }
}

/**
 * Reads `#e=4&k=2&constraint=kl&seed=42`. Without anything it is the usual pair of runs; with `vs=constraint:kl` a second run
 * that differs in that; otherwise one run. What is not known or cannot be is passed over and named.
 */
export function readHash(hash: string): { readonly choice: Choice; readonly ignored: readonly string[] } {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''))
  if ([...parameters].length === 0) return { choice: usualChoice, ignored: [] }
  const ignored: string[] = []
  let settings = defaults
  let device: Choice['device'] = 'auto'
  const inOrder = [...parameters].toSorted(([a], [b]) => order(a) - order(b))
  for (const [name, text] of inOrder) {
    if (name === 'vs') continue
    if (name === 'device' && (text === 'auto' || text === 'wasm' || text === 'webgpu')) {
      device = text
      continue
    }
    const next = isSetting(name) ? withSetting(settings, name, text) : undefined
    if (next === undefined) ignored.push(`${name}=${text}`)
    else settings = next
  }
  const vs = parameters.get('vs')
  const [name = '', value = ''] = vs?.split(':') ?? []
  const against = isSetting(name) && withSetting(settings, name, value) ? { name, value } : undefined
  if (vs !== null && against === undefined) ignored.push(`vs=${vs}`)
  const isOnlyDevice = [...parameters.keys()].every(key => key === 'device')
  return { choice: { settings, against: isOnlyDevice ? usualChoice.against : against, device }, ignored }
}

/** A constraint sets its weight back, so it comes before; E comes before K, which it limits. */
function order(name: string): number {
  return controls.findIndex(one => one.name === name)
}

function isSetting(name: string): name is SettingName {
  return controls.some(one => one.name === name)
}

/** The address of a choice; empty for the usual one. */
export function writeHash({ settings, against, device }: Choice): string {
  const parts = controls
    .filter(({ name }) => settings[name] !== defaults[name])
    .map(({ name }) => `${name}=${settings[name]}`)
  const usual = usualChoice.against
  const isUsualPair = parts.length === 0 && against?.name === usual?.name && against?.value === usual?.value
  if (device !== 'auto') parts.push(`device=${device}`)
  if (isUsualPair) return parts.length === 0 ? '' : `#${parts.join('&')}`
  if (parts.length === 0 || (parts.length === 1 && device !== 'auto')) parts.unshift(`seed=${settings.seed}`)
  if (against !== undefined) parts.push(`vs=${against.name}:${against.value}`)
  return `#${parts.join('&')}`
}

/** The settings of the runs: one, or two that differ in one thing. */
export function runsOf({ settings, against }: Pick<Choice, 'settings' | 'against'>): readonly Settings[] {
  if (against === undefined) return [settings]
  return [settings, withSetting(settings, against.name, against.value) ?? settings]
}

/** What a control's value is called. */
export function textOf(name: SettingName, settings: Settings): string {
  const control = controls.find(one => one.name === name)
  const value = String(settings[name] ?? 'as published')
  const text = control?.choices?.find(([own]) => own === value)?.[1] ?? value
  if (name === 'constraint') return value === 'none' ? 'no constraint' : text
  return `${control?.label ?? name} ${text}`
}

/** The option of a constraint that the weight sets, and its usual value. */
export function constraintOption(constraint: string): readonly [option: string, usual: number] | undefined {
  return constraintOptions[constraint]
}

/** Images of the bundled sample. Batches divide the training images, so that one program serves all steps. */
export const sampleLimit = { train: 1920, test: 300 } as const

/** Of the command line's data; a folder that was dropped has its name and the size its images are shown at. */
export type DataChoice = { readonly name: 'sample' } | { readonly name: 'folder'; readonly directory: string }

/** The configuration that the command line would train by. */
export function configOf(settings: Settings, data: DataChoice = { name: 'sample' }): Config {
  const { e, k, position, gate, constraint, weight, noise, lr, seed } = settings
  const option = constraintOptions[constraint]?.[0]
  return resolveConfig(
    {
      seed,
      data: data.name === 'sample' ? { name: 'sample', limit: sampleLimit } : data,
      augmentation: { flip: 0 },
      model: {
        name: 'resnet18',
        stem: 'strided',
        width: 8,
        moe: [
          {
            position,
            experts: e,
            k,
            gate,
            constraint: {
              name: constraint,
              ...(option === undefined || weight === null ? {} : { [option]: weight }),
            },
            ...(k === 1 && e > 1 ? { weighting: 'softmax-before-top-k' } : {}),
            ...(noise === 'published' ? {} : { noise: noise === 'on' }),
          },
        ],
      },
      optimizer: { name: 'sgd', learningRate: lr, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      schedule: { name: 'constant' },
      training: { epochs: 50, batch: 32, labelSmoothing: 0.1 },
    },
    'the playground',
  )
}

/** The settings that a configuration would come from, where it comes from any. */
export function settingsOf(config: Config): Settings | undefined {
  const [layer, ...others] = config.model.moe
  if (layer === undefined || others.length > 0 || typeof layer.gate !== 'string') return undefined
  const { name, ...options } = layer.constraint
  const option = constraintOptions[name]
  const given =
    option === undefined ? undefined : Object.entries(options).find(([key]) => key === option[0])?.[1]
  const noise = (value: Settings['noise']): Settings => ({
    e: layer.experts,
    k: layer.k,
    position: layer.position,
    gate: String(layer.gate),
    constraint: name,
    weight: typeof given === 'number' && given !== option?.[1] ? given : null,
    noise: value,
    lr: config.optimizer.learningRate,
    seed: config.seed,
  })
  const wanted = JSON.stringify({ ...config, data: null, engine: null })
  return (['published', 'on', 'off'] as const).map(noise).find(settings => {
    try {
      return JSON.stringify({ ...configOf(settings), data: null, engine: null }) === wanted
    } catch {
      return false
    }
  })
}
