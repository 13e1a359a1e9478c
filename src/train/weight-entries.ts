/**
 * Which of the tensors in a checkpoint of PyTorch are the network's. Trainers wrap a network's state dict in further dicts
 * (`state_dict`, `model`), keep a moving average of it in another entry (`model_ema`), and wrap the network itself in modules whose
 * names then begin all of its own (`module.`, `_orig_mod.`, `backbone.`).
 */
import { fail } from '../base/errors.ts'

/** A network's tensors by its own names. */
export interface Entry<T> {
  /** The path of the entry in the file, with the prefix of its names; empty for the file itself. */
  readonly label: string
  readonly tensors: ReadonlyMap<string, T>
  /** Names of tensors in the same dict that are not the network's. */
  readonly others: readonly string[]
}

/** The chosen entry, and what is reported of the choice. */
export interface ChosenEntry<T> extends Entry<T> {
  readonly notes: readonly string[]
}

/** Dicts in a checkpoint that have no network. */
const notNetworks = /optim|sched|scaler|config|^args$|hyper|callback|loops/i
/** Moving averages of weights, as trainers call them. */
const averages = /(?:^|[._])(?:ema|swa|averaged?)(?:$|[._])|(?:^|[._])ema|ema$/i
/** Where several entries have a network, the usual name of the one that was trained. */
const usual = ['', 'state_dict', 'model_state_dict', 'model', 'params', 'net', 'network', 'module']
const deepest = 3

/**
 * The network in a checkpoint. A moving average is preferred to the weights that it averages, because that is what its trainer evaluated.
 *
 * @param root - the content of the file: Maps of Maps and tensors
 * @param wanted - the label of an entry; null: as above
 * @param file - for messages
 * @throws MoietyError `data` where there is no network, or several that none of these rules tells apart; it lists them
 */
export function chooseEntry<T>(
  root: unknown,
  isTensor: (value: unknown) => value is T,
  wanted: string | null,
  file: string,
): ChosenEntry<T> {
  const entries = entriesOf(root, isTensor, '', 0)
  const labels = entries.map(({ label }) => label)
  const listed = labels.map(label => (label === '' ? 'the file itself ("")' : label)).join(', ')
  const choose = (label: string): string => `--set model.weightsEntry=${label === '' ? '""' : label}`
  if (entries.length === 0)
    return fail({
      kind: 'data',
      message: `the weights have no tensors that are called as those of a network, such as conv1.weight${foundIn(root)}`,
      where: file,
      help: 'save the state dict of a ResNet: torch.save(model.state_dict(), "weights.pth")',
    })
  if (wanted !== null) {
    const entry = entries.find(({ label }) => label === wanted)
    if (entry !== undefined) return { ...entry, notes: [] }
    return fail({
      kind: 'data',
      message: `expected the entry "${wanted}" in the weights, found ${listed}`,
      where: file,
      help: 'model.weightsEntry names an entry; leave it out for the usual one',
    })
  }
  const [only] = entries
  if (entries.length === 1) return { ...only!, notes: left(only!) }
  const average = entries.find(({ label }) => averages.test(label))
  const plain = entries.filter(({ label }) => !averages.test(label))
  const trained = usual.flatMap(name => plain.filter(({ label }) => label === name))[0]
  const chosen = average ?? trained
  if (chosen === undefined)
    return fail({
      kind: 'data',
      message: `the weights have ${entries.length} entries with a network: ${listed}`,
      where: file,
      help: `choose one: ${choose(labels[0]!)}`,
    })
  const other =
    average === undefined
      ? entries.find(entry => entry !== chosen)!
      : (trained ?? plain[0] ?? entries.find(entry => entry !== chosen)!)
  const what = average === undefined ? 'entry' : 'moving average (EMA)'
  return {
    ...chosen,
    notes: [
      `took the ${what} "${chosen.label}" of the weights; ${choose(other.label)} takes the other${entries.length > 2 ? `; there are ${listed}` : ''}`,
      ...left(chosen),
    ],
  }
}

function left({ others }: Entry<unknown>): string[] {
  if (others.length === 0) return []
  const shown = others.slice(0, 3).join(', ')
  return [
    `left out of the weights: ${shown}${others.length > 3 ? ` and ${others.length - 3} more` : ''}, which are outside of the network`,
  ]
}

function foundIn(root: unknown): string {
  const keys = root instanceof Map ? [...root.keys()].slice(0, 5).map(key => String(key).slice(0, 60)) : []
  return keys.length === 0 ? '' : `; found ${keys.join(', ')}`
}

function entriesOf<T>(
  value: unknown,
  isTensor: (value: unknown) => value is T,
  path: string,
  depth: number,
): Entry<T>[] {
  if (!(value instanceof Map)) return []
  const tensors = new Map<string, T>()
  for (const [key, one] of value) if (typeof key === 'string' && isTensor(one)) tensors.set(key, one)
  if ([...tensors.keys()].some(name => name.endsWith('.weight'))) return networksIn(tensors, path)
  if (depth === deepest) return []
  return [...value].flatMap(([key, one]: [unknown, unknown]) =>
    typeof key === 'string' && !notNetworks.test(key)
      ? entriesOf(one, isTensor, path === '' ? key : `${path}.${key}`, depth + 1)
      : [],
  )
}

/** The networks in a state dict, one for each beginning of names that a ResNet's own follow. */
function networksIn<T>(tensors: ReadonlyMap<string, T>, path: string): Entry<T>[] {
  const mark = 'conv1.weight'
  const prefixes = [...tensors.keys()]
    .filter(name => name === mark || name.endsWith(`.${mark}`))
    .map(name => name.slice(0, -mark.length))
    .filter(
      prefix =>
        tensors.has(`${prefix}layer1.0.conv1.weight`) || tensors.has(`${prefix}layer2.0.conv1.weight`),
    )
    // torchvision's detectors keep the ResNet at backbone.body: their own names begin before it.
    .map(prefix => prefix.replace(/backbone\.body\.$/, ''))
  if (prefixes.length === 0) prefixes.push(commonPrefix([...tensors.keys()]))
  return [...new Set(prefixes)].map(prefix => under(prefix, tensors, path))
}

/** Wrappers around a network of other names, such as one with mixtures of experts at its beginning. */
function commonPrefix(names: readonly string[]): string {
  let prefix = ''
  for (;;) {
    const longer = ['module.', '_orig_mod.', 'model.']
      .map(wrapper => prefix + wrapper)
      .find(wrapper => names.every(name => name.startsWith(wrapper)))
    if (longer === undefined) return prefix
    prefix = longer
  }
}

function under<T>(prefix: string, tensors: ReadonlyMap<string, T>, path: string): Entry<T> {
  // `model.fc` belongs to `model.backbone.conv1` as `fc` to `conv1`.
  const around = prefix
    .split('.')
    .slice(0, -2)
    .map((_, i, parts) => `${parts.slice(0, parts.length - i).join('.')}.`)
  const outer = prefix === '' ? [] : [...around, '']
  const own = new Map<string, T>()
  const others: string[] = []
  for (const [name, tensor] of tensors)
    if (name.startsWith(prefix)) own.set(name.slice(prefix.length), tensor)
  for (const [name, tensor] of tensors) {
    if (name.startsWith(prefix)) continue
    const start = outer.find(beginning => name.startsWith(beginning))
    const short = start === undefined ? undefined : name.slice(start.length)
    if (short !== undefined && /^(?:fc|fpn|head)\./.test(short) && !own.has(short)) own.set(short, tensor)
    else if (!name.endsWith('n_averaged')) others.push(name)
  }
  const label = [path, prefix.replace(/\.$/, '')].filter(part => part !== '').join('.')
  return { label, tensors: own, others }
}
