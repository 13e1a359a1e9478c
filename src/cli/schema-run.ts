import { fail } from '../base/errors.ts'
import { nearest } from '../base/schemas.ts'
import { isSchemaName, jsonSchema, schemaNames } from './json-schemas.ts'
import { print, printJson } from './output.ts'

/** `moiety schema`. @throws MoietyError `usage` for a name that no file has */
export function printSchema(name: string | undefined, json: boolean): void {
  if (name === undefined) {
    const all = schemaNames.map(one => ({ name: one, title: jsonSchema(one).title, id: jsonSchema(one).$id }))
    if (json) printJson(all)
    else print(all.map(({ name: one, title }) => `${one.padEnd(9)}${String(title)}`).join('\n'))
    return
  }
  if (isSchemaName(name)) {
    printJson(jsonSchema(name))
    return
  }
  const guess = nearest(name, schemaNames)
  fail({
    kind: 'usage',
    message: `there is no schema "${name}"`,
    help: guess === undefined ? `the schemas are ${schemaNames.join(', ')}` : `did you mean ${guess}?`,
  })
}
