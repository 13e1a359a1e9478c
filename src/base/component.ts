import { z } from 'zod'
import { withOwner } from './component-code.ts'
import { fail } from './errors.ts'
import { describeSchema, nearest, oneOf, type Schema, showValue } from './schemas.ts'

/** What a configuration chooses by name. */
export const componentTypes = [
  'constraint',
  'gate',
  'optimizer',
  'schedule',
  'network',
  'loss',
  'dataset',
  'transform',
  'metric',
  'callback',
] as const
/** What a component is: `constraint`, `network`, … */
export type ComponentType = (typeof componentTypes)[number]

/** A part of a training that is chosen by name: its schema is what a configuration says of it, defaults and descriptions included. */
export interface Component {
  readonly component: ComponentType
  /** Small letters, digits and hyphens. */
  readonly name: string
  /** What it does, in a few words. */
  readonly description: string
  /** A strict object; `name` is among its keys. */
  readonly schema: z.ZodObject
}

/** What every definition of a component says. */
export interface ComponentSpec<Name extends string, Options extends z.ZodRawShape> {
  readonly name: Name
  readonly description: string
  /** Its own keys, each with a default and a description. */
  readonly options: Options
}

/** A setting of a component that another one contradicts. */
export interface OptionMistake {
  /** The key that is to be changed. */
  readonly key: string
  readonly message: string
  readonly help: string
}

/** The file that a component was loaded from, and the SHA-256 of its code. */
export interface ComponentSource {
  readonly file: string
  readonly sha256: string
}

/**
 * Refuses a definition that cannot be one: JavaScript checks nothing of it.
 *
 * @param reserved - keys that every component of the type has
 * @throws MoietyError (usage)
 */
export function checkSpec(
  type: ComponentType,
  given: unknown,
  make: string,
  reserved: readonly string[],
): void {
  const mistake = mistakeOf(type, isRecord(given) ? given : {}, make, reserved)
  if (mistake === undefined) return
  const [expected, came, where] = mistake
  fail({
    kind: 'usage',
    message: `expected ${expected}, came ${showValue(came)}`,
    where,
    help: `define it as { name, description, options, ${make}, … }; docs/guide/components.md has examples`,
  })
}

type SpecMistake = readonly [expected: string, came: unknown, where: string]

function mistakeOf(
  type: ComponentType,
  { name, description, options, ...rest }: Readonly<Record<string, unknown>>,
  make: string,
  reserved: readonly string[],
): SpecMistake | undefined {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]{0,99}$/.test(name))
    return ['a name of small letters, digits and hyphens', name, `the definition of a ${type}`]
  const where = `the ${type} "${name}"`
  if (typeof description !== 'string' || description === '') return ['a description', description, where]
  if (!isRecord(options)) return ['options, an object of zod schemas by key', options, where]
  for (const [key, option] of Object.entries(options)) {
    if (!isRecord(option) || !('_zod' in option)) return [`a zod 4 schema in options.${key}`, option, where]
    if (reserved.includes(key)) return [`another key than one that every ${type} has`, key, where]
  }
  return typeof rest[make] === 'function' ? undefined : [`a function in ${make}`, rest[make], where]
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/**
 * Options with their defaults.
 *
 * @param owner - what errors call it, such as `the constraint "kl"`
 * @throws MoietyError (usage) that names the option
 */
export function withDefaults<Options extends z.ZodRawShape>(
  options: Options,
  given: z.input<z.ZodObject<Options>> | undefined,
  owner: string,
): z.output<z.ZodObject<Options>> {
  const schema = z.strictObject(options)
  const parsed = schema.safeParse(given ?? {})
  if (parsed.success) return parsed.data as z.output<z.ZodObject<Options>>
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') {
    const keys = Object.keys(options)
    return fail({
      kind: 'usage',
      message: `${owner} has no option "${issue.keys[0]}"`,
      help: keys.length === 0 ? 'it has none' : `its options are ${oneOf(keys)}`,
    })
  }
  const key = String(issue?.path[0])
  const value: unknown = Object.getOwnPropertyDescriptor(given ?? {}, key)?.value
  return refuseOption(options[key], value, `${key} of ${owner}`)
}

/** Refuses a value that the schema of an option does not allow. */
export function refuseOption(schema: Schema | undefined, value: unknown, where: string): never {
  return fail({
    kind: 'usage',
    message: `expected ${schema === undefined ? 'nothing' : describeSchema(schema)}, but got ${typeof value === 'string' ? showValue(value) : String(value)}`,
    where,
    help: (schema instanceof z.ZodType ? schema.description : undefined) ?? 'give such a value',
  })
}

/** A component whose definition creates what it is from the values of its options. */
export interface CreatorSpec<Name extends string, Options extends z.ZodRawShape, Created>
  extends ComponentSpec<Name, Options> {
  /** Makes it of the options' values. */
  readonly create: (options: z.output<z.ZodObject<Options>>) => Created
}

/** A component of a type that creates a `Created`. */
export interface Creator<Type extends ComponentType, Created> extends Component {
  readonly component: Type
  readonly options: z.ZodRawShape
  /** @throws MoietyError (usage) for options that it does not have or that cannot be */
  create(options?: object): Created
}

/**
 * Completes a definition that creates something: with its schema, defaults and checks.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineCreator<
  const Type extends ComponentType,
  const Name extends string,
  Options extends z.ZodRawShape,
  Created,
  More extends object,
>(component: Type, spec: CreatorSpec<Name, Options, Created> & More) {
  checkSpec(component, spec, 'create', ['name'])
  const { name, options, description } = spec
  return {
    ...spec,
    component,
    schema: z.strictObject({ name: z.literal(name), ...options }).describe(description),
    /** With these options, defaults filled in. */
    create: (given?: z.input<z.ZodObject<Options>>): Created =>
      spec.create(withDefaults(options, given, `the ${component} "${name}"`)),
  }
}

/** A component by its name with options, as a configuration has it. */
export type NamedOptions = { readonly name: string } & Readonly<Record<string, unknown>>

/** What a configuration's `{ name, ...options }` creates. @throws MoietyError (usage) */
export function createNamed<Created>(
  registry: { get(name: string): Creator<ComponentType, Created> },
  { name, ...options }: NamedOptions,
): Created {
  return registry.get(name).create(options)
}

type SchemasOf<Known extends readonly Component[]> = { readonly [K in keyof Known]: Known[K]['schema'] }

/** All components of a type: those that come with Moiety, and those that a program or `--use` has added in this process. */
export class Registry<Any extends Component, const Known extends readonly Any[]> {
  readonly #known: Known
  readonly #added = new Map<string, { readonly component: Any; readonly source: ComponentSource | null }>()

  constructor(
    readonly type: ComponentType,
    known: Known,
  ) {
    this.#known = known
  }

  /** Those that come with Moiety. */
  get builtIn(): Known {
    return this.#known
  }

  /** Those that were added, in the order in which they were. */
  get added(): readonly Any[] {
    return [...this.#added.values()].map(({ component }) => component)
  }

  /** The schemas of all. The type knows those of the built-in ones; what was added has a name and keys of its own. */
  get schemas(): SchemasOf<Known> {
    const all: readonly Component[] = [...this.#known, ...this.added]
    return all.map(({ schema }) => schema) as readonly z.ZodObject[] as SchemasOf<Known>
  }

  /** The names of all, in their order. */
  names(): string[] {
    return [...this.#known, ...this.added].map(({ name }) => name)
  }

  /** The component of that name; undefined where there is none. */
  find(name: string): Any | undefined {
    return this.#added.get(name)?.component ?? this.#known.find(one => one.name === name)
  }

  /** @throws MoietyError (usage) for an unknown name, with the nearest known one */
  get(name: string): Any {
    const found = this.find(name)
    if (found !== undefined) return found
    const guess = nearest(name, this.names())
    return fail({
      kind: 'usage',
      message: `there is no ${this.type} ${JSON.stringify(name)}`,
      where: `${this.type}.name`,
      help: guess === undefined ? `${this.type}s are ${this.names().join(', ')}` : `did you mean ${guess}?`,
    })
  }

  /** The file that a component was loaded from; null for those that come with Moiety or were added by a program. */
  sourceOf(name: string): ComponentSource | null {
    return this.#added.get(name)?.source ?? null
  }

  /** @throws MoietyError (usage) for a name that is taken */
  checkFree(name: string, source: ComponentSource | null): void {
    if (this.find(name) === undefined) return
    const other = this.#added.has(name)
      ? (this.sourceOf(name)?.file ?? 'this program')
      : `Moiety, which comes with ${this.names().slice(0, this.#known.length).join(', ')}`
    fail({
      kind: 'usage',
      message: `there is a ${this.type} "${name}" already, of ${other}`,
      ...(source === null ? {} : { where: source.file }),
      help: 'give it another name',
    })
  }

  /** Makes a component known in this process. @throws MoietyError (usage) for a name that is taken */
  add(component: Any, source: ComponentSource | null = null): void {
    this.checkFree(component.name, source)
    this.#added.set(component.name, { component: withOwner(component, source), source })
  }
}
