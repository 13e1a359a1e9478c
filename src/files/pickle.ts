/**
 * A reader of Python's pickles (protocols 0 to 5; Lib/pickle.py and pickletools.py of CPython) that executes nothing. A pickle is a
 * program for a stack machine, two of whose operations call whatever Python function the file names. Here they can only reach the
 * entries of a table that the caller gives, which are functions of this project; everything else is refused by name.
 *
 * None is null, int a number or, beyond 2^53, a bigint, float a number, str a string, bytes a Uint8Array that is a part of the file, list
 * and tuple an array, dict and OrderedDict a Map, set and frozenset a Set. Strings of Python 2 are read as latin-1.
 *
 * The machine does not recurse, and memory stays proportional to the file: what functions of the table allocate counts against
 * a budget.
 */
import { fail } from '../base/errors.ts'
import { viewOf } from './safetensors-elements.ts'

/** What a function of the table may use. */
export interface PickleContext {
  /** Refuses the file for what it asks of the function. */
  readonly refuse: (message: string) => never
  /** Counts memory that is allocated beyond the file's own bytes. */
  readonly allocate: (bytes: number) => void
}

/** An entry of the table that the file may call. */
export class PickleFunction {
  constructor(readonly call: (args: readonly unknown[], context: PickleContext) => unknown) {}
}

/** An object whose state the file may set after it was made (BUILD, Python's `__setstate__`). */
export abstract class PickleObject {
  abstract setState(state: unknown, context: PickleContext): void
}

/** Where a pickle comes from and what it may name. */
export interface PickleOptions {
  /** The file's name, for messages. */
  readonly source: string
  /** What to do about a file that is refused. */
  readonly help: string
  /** By `module.name`: a {@link PickleFunction}, or any value that the file may refer to. */
  readonly globals: ReadonlyMap<string, unknown>
  /** Finds what lies outside of the pickle, such as a tensor's storage. Default: refused. */
  readonly persistent?: (id: unknown, context: PickleContext) => unknown
}

/** One pickle, and the place of the byte that follows it. */
export interface Unpickled {
  readonly value: unknown
  readonly end: number
}

/** Operations of one pickle; a batch of CIFAR or a checkpoint with its optimizer has thousands. */
const mostOperations = 20e6
/** Marks that are open at once: values nest this deep while they are written. */
const mostMarks = 1000
/** Bytes of an int; the magic number of PyTorch's files has 10. */
const longestInt = 1024
/** What functions may allocate for each byte of the file, and besides. */
const allocationsPerByte = 4
const freeAllocation = 64e6

/**
 * Reads the pickle that begins at `from`.
 *
 * @throws MoietyError `data` for an operation, a name or a value that is not read, or a file that ends too early
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions, from = 0): Unpickled {
  return new Machine(bytes, options, from).run()
}

class Machine {
  readonly #view: DataView
  readonly #memo = new Map<number, unknown>()
  /** The values above the last mark. */
  #stack: unknown[] = []
  /** Those below it and below each earlier mark. */
  readonly #below: unknown[][] = []
  /** Of the operation that is done. */
  #at: number
  #next: number
  #allocated = 0
  readonly context: PickleContext = {
    refuse: message => this.refuse(message),
    allocate: bytes => {
      this.#allocated += bytes
      if (this.#allocated > allocationsPerByte * this.bytes.length + freeAllocation)
        this.refuse('its objects take far more memory than the file')
    },
  }

  constructor(
    readonly bytes: Uint8Array,
    readonly options: PickleOptions,
    from: number,
  ) {
    this.#view = viewOf(bytes)
    this.#at = from
    this.#next = from
  }

  refuse(message: string): never {
    const { source, help } = this.options
    return fail({
      kind: 'data',
      message: `${source}: ${message}`,
      where: `${source}, byte ${this.#at}`,
      help,
    })
  }

  run(): Unpickled {
    for (let count = 0; count < mostOperations; count++) {
      this.#at = this.#next
      const code = this.#byte()
      if (code === 0x2e) return { value: this.#pop(), end: this.#next }
      this.#operate(code)
    }
    return this.refuse(`it has more than ${mostOperations} operations`)
  }

  /** Codes as in pickletools; with the names of the operations. */
  #operate(code: number): void {
    switch (code) {
      case 0x80: // PROTO
        if (this.#byte() > 5) this.refuse('its protocol is newer than 5')
        return
      case 0x95: // FRAME
        this.#take(8)
        return
      case 0x28: // MARK
        if (this.#below.length === mostMarks) this.refuse(`its values nest more than ${mostMarks} deep`)
        this.#below.push(this.#stack)
        this.#stack = []
        return
      case 0x30: // POP
        if (this.#stack.length === 0) this.#popMark()
        else this.#stack.pop()
        return
      case 0x31: // POP_MARK
        this.#popMark()
        return
      case 0x32: // DUP
        this.#push(this.#top())
        return
      case 0x4e: // NONE
        this.#push(null)
        return
      case 0x88: // NEWTRUE
        this.#push(true)
        return
      case 0x89: // NEWFALSE
        this.#push(false)
        return
      default:
        if (!this.#number(code) && !this.#text(code) && !this.#container(code) && !this.#object(code))
          this.refuse(
            `it contains the pickle operation 0x${code.toString(16).padStart(2, '0')}, which is not read`,
          )
    }
  }

  #number(code: number): boolean {
    switch (code) {
      case 0x4a: // BININT
        this.#push(this.#view.getInt32(this.#take(4), true))
        return true
      case 0x4b: // BININT1
        this.#push(this.#byte())
        return true
      case 0x4d: // BININT2
        this.#push(this.#view.getUint16(this.#take(2), true))
        return true
      case 0x8a: // LONG1
        this.#push(this.#int(this.#byte()))
        return true
      case 0x8b: // LONG4
        this.#push(this.#int(this.#length(4)))
        return true
      case 0x47: // BINFLOAT
        this.#push(this.#view.getFloat64(this.#take(8), false))
        return true
      case 0x46: // FLOAT
        this.#push(this.#float(this.#line()))
        return true
      case 0x49: // INT
        this.#push(this.#decimal(this.#line()))
        return true
      case 0x4c: // LONG
        this.#push(this.#decimal(this.#line().replace(/L$/, '')))
        return true
      default:
        return false
    }
  }

  #text(code: number): boolean {
    switch (code) {
      case 0x58: // BINUNICODE
        this.#push(this.#string(this.#length(4)))
        return true
      case 0x8c: // SHORT_BINUNICODE
        this.#push(this.#string(this.#byte()))
        return true
      case 0x8d: // BINUNICODE8
        this.#push(this.#string(this.#length(8)))
        return true
      case 0x54: // BINSTRING
        this.#push(latin1(this.#bytes(this.#length(4))))
        return true
      case 0x55: // SHORT_BINSTRING
        this.#push(latin1(this.#bytes(this.#byte())))
        return true
      case 0x42: // BINBYTES
        this.#push(this.#bytes(this.#length(4)))
        return true
      case 0x43: // SHORT_BINBYTES
        this.#push(this.#bytes(this.#byte()))
        return true
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.#push(this.#bytes(this.#length(8)))
        return true
      case 0x53: // STRING
        this.#push(this.#quoted(this.#line()))
        return true
      case 0x56: // UNICODE
        this.#push(this.#escaped(this.#line()))
        return true
      default:
        return false
    }
  }

  #container(code: number): boolean {
    switch (code) {
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        this.#push([])
        return true
      case 0x7d: // EMPTY_DICT
        this.#push(new Map())
        return true
      case 0x8f: // EMPTY_SET
        this.#push(new Set())
        return true
      case 0x61: {
        // APPEND
        const value = this.#pop()
        this.#list().push(value)
        return true
      }
      case 0x65: {
        // APPENDS
        const values = this.#popMark()
        const list = this.#list()
        for (const value of values) list.push(value)
        return true
      }
      case 0x6c: // LIST
      case 0x74: // TUPLE
        this.#push(this.#popMark())
        return true
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#push(this.#popSome(code - 0x84))
        return true
      case 0x73: // SETITEM
        this.#fill(this.#popSome(2))
        return true
      case 0x75: // SETITEMS
        this.#fill(this.#popMark())
        return true
      case 0x64: {
        // DICT
        const entries = this.#popMark()
        this.#push(new Map())
        this.#fill(entries)
        return true
      }
      case 0x90: {
        // ADDITEMS
        const values = this.#popMark()
        const set = this.#top()
        if (!(set instanceof Set)) return this.refuse('values are added to what is not a set')
        for (const value of values) set.add(value)
        return true
      }
      case 0x91: // FROZENSET
        this.#push(new Set(this.#popMark()))
        return true
      default:
        return false
    }
  }

  #object(code: number): boolean {
    switch (code) {
      case 0x67: // GET
        this.#push(this.#recall(this.#position(this.#line())))
        return true
      case 0x68: // BINGET
        this.#push(this.#recall(this.#byte()))
        return true
      case 0x6a: // LONG_BINGET
        this.#push(this.#recall(this.#length(4)))
        return true
      case 0x70: // PUT
        this.#memo.set(this.#position(this.#line()), this.#top())
        return true
      case 0x71: // BINPUT
        this.#memo.set(this.#byte(), this.#top())
        return true
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#length(4), this.#top())
        return true
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top())
        return true
      case 0x63: {
        // GLOBAL
        const module = this.#line()
        this.#push(this.#global(module, this.#line()))
        return true
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popSome(2)
        this.#push(this.#global(module, name))
        return true
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [target, args] = this.#popSome(2)
        if (!(target instanceof PickleFunction) || !Array.isArray(args))
          return this.refuse('it calls what is not a function')
        this.#push(target.call(args, this.context))
        return true
      }
      case 0x62: {
        // BUILD
        const state = this.#pop()
        const object = this.#top()
        if (object instanceof PickleObject) object.setState(state, this.context)
        // Attributes of an OrderedDict, such as the _metadata of a state dict, are not among its items.
        else if (!(object instanceof Map)) this.refuse('it sets the state of a value that has none')
        return true
      }
      case 0x51: {
        // BINPERSID
        const { persistent } = this.options
        if (persistent === undefined) return this.refuse('it refers to something outside of it')
        this.#push(persistent(this.#pop(), this.context))
        return true
      }
      default:
        return false
    }
  }

  #global(module: unknown, name: unknown): unknown {
    if (typeof module !== 'string' || typeof name !== 'string')
      return this.refuse('a name in it is not a string')
    const full = `${module}.${name}`
    if (this.options.globals.has(full)) return this.options.globals.get(full)
    return this.refuse(`it names ${excerptOf(full)}, which is not among the names that are read`)
  }

  #push(value: unknown): void {
    this.#stack.push(value)
  }

  #pop(): unknown {
    if (this.#stack.length === 0) this.refuse('an operation expects a value that is not there')
    return this.#stack.pop()
  }

  #popSome(count: number): unknown[] {
    if (this.#stack.length < count) this.refuse('an operation expects values that are not there')
    return this.#stack.splice(-count)
  }

  /** The values since the last mark. */
  #popMark(): unknown[] {
    const below = this.#below.pop() ?? this.refuse('an operation expects a mark that is not there')
    const values = this.#stack
    this.#stack = below
    return values
  }

  #top(): unknown {
    if (this.#stack.length === 0) this.refuse('an operation expects a value that is not there')
    return this.#stack.at(-1)
  }

  #list(): unknown[] {
    const list = this.#top()
    return Array.isArray(list) ? list : this.refuse('values are appended to what is not a list')
  }

  #fill(entries: readonly unknown[]): void {
    const map = this.#top()
    if (!(map instanceof Map)) this.refuse('items are set of what is not a dict')
    if (entries.length % 2 !== 0) this.refuse('a dict has a key without a value')
    for (let i = 0; i < entries.length; i += 2) (map as Map<unknown, unknown>).set(entries[i], entries[i + 1])
  }

  #recall(position: number): unknown {
    if (!this.#memo.has(position)) this.refuse(`it refers to value ${position}, which it has not stored`)
    return this.#memo.get(position)
  }

  #position(line: string): number {
    return /^\d{1,10}$/.test(line)
      ? Number(line)
      : this.refuse('the number of a stored value is not a number')
  }

  #take(count: number): number {
    const from = this.#next
    if (count > this.bytes.length - from) this.refuse('the file ends in the middle of a value')
    this.#next = from + count
    return from
  }

  #byte(): number {
    return this.bytes[this.#take(1)]!
  }

  /** A length of 4 or 8 bytes. */
  #length(bytes: 4 | 8): number {
    const at = this.#take(bytes)
    return bytes === 4 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true))
  }

  #bytes(count: number): Uint8Array {
    const from = this.#take(count)
    return this.bytes.subarray(from, from + count)
  }

  #string(count: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#bytes(count))
    } catch (cause) {
      if (cause instanceof TypeError) return this.refuse('a string in it is not UTF-8')
      throw cause
    }
  }

  #line(): string {
    const end = this.bytes.indexOf(0x0a, this.#next)
    if (end < 0) this.refuse('the file ends in the middle of a line')
    const line = latin1(this.#bytes(end - this.#next))
    this.#next = end + 1
    return line.replace(/\r$/, '')
  }

  /** Two's complement, least byte first. */
  #int(count: number): number | bigint {
    if (count > longestInt) this.refuse(`an int in it has ${count} bytes`)
    const digits = this.#bytes(count).toReversed()
    if (count === 0) return 0
    const value = BigInt(`0x${Buffer.from(digits).toString('hex')}`)
    return narrow(BigInt.asIntN(8 * count, value))
  }

  #decimal(line: string): number | bigint | boolean {
    if (line === '00' || line === '01') return line === '01'
    if (!/^[+-]?\d{1,2000}$/.test(line)) this.refuse('an int in it is not a number')
    return narrow(BigInt(line.replace('+', '')))
  }

  #float(line: string): number {
    const special = { inf: Infinity, '-inf': -Infinity, nan: Number.NaN }[line]
    if (special !== undefined) return special
    return /^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(line)
      ? Number(line)
      : this.refuse('a float in it is not a number')
  }

  /** Python's repr of a str of Python 2. */
  #quoted(line: string): string {
    const inner = /^(['"])(.*)\1$/s.exec(line)?.[2]
    if (inner === undefined) return this.refuse('a string in it has no quotes')
    return inner.replaceAll(
      /\\(x[0-9a-fA-F]{2}|.)/gs,
      (_, code: string) =>
        ({ n: '\n', r: '\r', t: '\t' })[code] ??
        (code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : code),
    )
  }

  /** Python's raw-unicode-escape. */
  #escaped(line: string): string {
    return line.replaceAll(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long!, 16)
      return code > 0x10_ff_ff ? this.refuse('a string in it is not Unicode') : String.fromCodePoint(code)
    })
  }
}

/** Functions of Python itself that harmless pickles call. */
export const pythonGlobals: ReadonlyMap<string, unknown> = (() => {
  const dict = new PickleFunction((args, { refuse }) => {
    const [entries = []] = args
    if (entries instanceof Map) return new Map(entries)
    const isPairs = (value: unknown): value is [unknown, unknown][] =>
      Array.isArray(value) && value.every(pair => Array.isArray(pair) && pair.length === 2)
    return isPairs(entries) ? new Map(entries) : refuse('a dict in it is made of what are no pairs')
  })
  const set = new PickleFunction(([values = []], { refuse }) =>
    Array.isArray(values) ? new Set<unknown>(values) : refuse('a set in it is made of what is no list'),
  )
  // bytes of Python 3 in protocols before 3: a str and the codec that makes bytes of it.
  const encode = new PickleFunction(([text, codec = 'utf-8'], { allocate, refuse }) => {
    if (typeof text !== 'string' || !['latin1', 'latin-1', 'utf-8', 'utf8', 'ascii'].includes(String(codec)))
      return refuse('bytes in it are made of what is no text')
    allocate(2 * text.length)
    return new Uint8Array(Buffer.from(text, String(codec).startsWith('latin') ? 'latin1' : 'utf8'))
  })
  const emptyBytes = new PickleFunction(([value], { refuse }) =>
    value === undefined
      ? new Uint8Array()
      : value instanceof Uint8Array
        ? value
        : refuse('bytes in it are made of what are none'),
  )
  const builtins = ['builtins', '__builtin__'].flatMap((module): [string, unknown][] => [
    [`${module}.set`, set],
    [`${module}.frozenset`, set],
    [`${module}.dict`, dict],
    [`${module}.bytes`, emptyBytes],
    [`${module}.bytearray`, emptyBytes],
  ])
  return new Map<string, unknown>([
    ['collections.OrderedDict', dict],
    ['_codecs.encode', encode],
    ...builtins,
  ])
})()

/** The bytes of a str of Python 2, which is read as latin-1, or of bytes; undefined for another value. */
export function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'latin1')) : undefined
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function excerptOf(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name
}
