/** What stands in `report.json`: lists and objects that anybody may change. */
type Plain<T> = T extends readonly (infer I)[]
  ? number extends T['length']
    ? Plain<I>[]
    : { -readonly [K in keyof T]: Plain<T[K]> }
  : T extends object
    ? { -readonly [K in keyof T]: Plain<T[K]> }
    : T

/** A copy of something that JSON can hold, as the schema of the findings has it. */
export function plain<T>(value: T): Plain<T>
export function plain(value: unknown): unknown {
  return structuredClone(value)
}
