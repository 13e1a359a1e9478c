import { fail, MoietyError } from './errors.ts'

/** Whose code it is, for errors: the component, and the file that it is from. */
export interface CodeOwner {
  readonly component: string
  readonly name: string
  readonly source: { readonly file: string } | null
}

/**
 * A component whose functions, and those that they return, say whose they are when they throw: what a user's code throws is no bug
 * in Moiety.
 */
export function withOwner<Any extends Omit<CodeOwner, 'source'>>(
  component: Any,
  source: CodeOwner['source'],
): Any {
  const owner = { component: component.component, name: component.name, source }
  const entries = Object.entries(component).map(([key, value]): [string, unknown] => [
    key,
    isFunction(value) ? owned(value, owner, result => withOwnedMethods(result, owner)) : value,
  ])
  return Object.fromEntries(entries) as Any
}

/** A function of a component's code. */
export function ownedFunction<Given extends readonly unknown[], Result>(
  call: (...given: Given) => Result,
  owner: CodeOwner,
): (...given: Given) => Result {
  const plain = call as unknown as AnyFunction
  return owned(plain, owner, result => result) as unknown as (...given: Given) => Result
}

type AnyFunction = (...given: unknown[]) => unknown

const isFunction = (value: unknown): value is AnyFunction => typeof value === 'function'

function owned(call: AnyFunction, owner: CodeOwner, then: (result: unknown) => unknown): AnyFunction {
  return function (this: unknown, ...given) {
    try {
      const result = call.apply(this, given)
      if (!(result instanceof Promise)) return then(result)
      return result.then(then, (cause: unknown) => refuse(cause, owner))
    } catch (cause) {
      return refuse(cause, owner)
    }
  }
}

/** What a component created: a function, or an object with methods, of a class or not. */
function withOwnedMethods(created: unknown, owner: CodeOwner): unknown {
  if (isFunction(created)) return owned(created, owner, result => result)
  if (typeof created !== 'object' || created === null || Array.isArray(created)) return created
  const copy = {}
  for (const key of keysOf(created)) {
    const read = (): unknown => Reflect.get(created, key, created)
    const value = read()
    const property = isFunction(value)
      ? { value: owned(value.bind(created), owner, result => result) }
      : { get: read }
    Object.defineProperty(copy, key, { ...property, enumerable: true })
  }
  return copy
}

/** Its own keys, and those of its classes. */
function keysOf(object: object): Set<string> {
  const keys = new Set<string>()
  for (let at: unknown = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at))
    for (const key of Object.getOwnPropertyNames(at)) if (key !== 'constructor') keys.add(key)
  return keys
}

function refuse(cause: unknown, { component, name, source }: CodeOwner): never {
  const what = `the ${component} "${name}"`
  const place = source === null ? what : `${what} of ${source.file}`
  if (cause instanceof MoietyError) {
    const [message = '', ...details] = cause.message.split('\n')
    const { kind, where, help } = cause
    return fail({
      kind,
      message,
      details,
      where: where === undefined ? place : `${where}, in ${place}`,
      ...(help === undefined ? {} : { help }),
      cause,
    })
  }
  return fail({
    kind: component === 'dataset' ? 'data' : 'usage',
    message: `${what} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    ...(source === null ? {} : { where: source.file }),
    help: 'correct its code; MOIETY_DEBUG=1 shows where it failed',
    cause,
  })
}
