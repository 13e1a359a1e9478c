// @ts-check
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/*
 * node scripts/ort-functions.js HEADER writes src/runtime/c-api/functions.ts from onnxruntime_c_api.h: where in the table of
 * ONNX Runtime's C API the functions that Moiety calls are, and what they take. HEADER is in ONNX Runtime's releases, under include/.
 */
const needed = [
  ...[
    'GetErrorMessage',
    'ReleaseStatus',
    'CreateEnv',
    'ReleaseEnv',
    'CreateCpuMemoryInfo',
    'ReleaseMemoryInfo',
  ],
  ...['CreateSessionOptions', 'SetSessionExecutionMode', 'DisableMemPattern', 'DisableCpuMemArena'],
  ...['SetSessionLogSeverityLevel', 'SetSessionGraphOptimizationLevel', 'SetIntraOpNumThreads'],
  ...['SetInterOpNumThreads', 'AddSessionConfigEntry', 'EnableProfiling', 'ReleaseSessionOptions'],
  ...['CreateSessionFromArray', 'ReleaseSession', 'SessionEndProfiling'],
  ...['GetAllocatorWithDefaultOptions', 'AllocatorFree'],
  ...['CreateRunOptions', 'RunOptionsSetRunLogSeverityLevel', 'ReleaseRunOptions', 'Run'],
  ...[
    'CreateTensorWithDataAsOrtValue',
    'GetTensorMutableData',
    'GetTensorSizeInBytes',
    'GetTensorTypeAndShape',
    'ReleaseValue',
  ],
  ...['GetTensorElementType', 'GetDimensionsCount', 'GetDimensions', 'ReleaseTensorTypeAndShapeInfo'],
]

/**
 * The functions of `struct OrtApi` in order, each with its result and parameters in C.
 *
 * @param {string} header
 */
export function membersOf(header) {
  const plain = header
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/^\s*#.*(?:\\\n.*)*$/gm, '')
  const start = /\bstruct OrtApi \{/.exec(plain)
  if (start === null) throw new Error('the header has no struct OrtApi')
  const body = plain.slice(start.index + start[0].length, plain.indexOf('\n};', start.index))
  return body
    .split(';')
    .map(text => text.replace(/\s+/g, ' ').trim())
    .filter(text => text !== '')
    .map(memberOf)
}

/** @param {string} text */
function memberOf(text) {
  const release = /^ORT_CLASS_RELEASE\((\w+)\)$/.exec(text)
  if (release) return { name: `Release${release[1]}`, result: 'void', takes: [`Ort${release[1]} *`] }
  const status = /^ORT_API2_STATUS\((\w+)(?:, ?(.*))?\)$/.exec(text)
  if (status) return { name: status[1], result: 'OrtStatus *', takes: parametersOf(status[2] ?? '') }
  const typed = /^ORT_API_T\(([^,]+), (\w+)(?:, ?(.*))?\)$/.exec(text)
  if (typed) return { name: typed[2], result: typed[1], takes: parametersOf(typed[3] ?? '') }
  const written =
    /^(.+?) ?\(ORT_API_CALL ?\* ?(\w+)\) ?\((.*?)\)(?: ?NO_EXCEPTION)?(?: ?ORT_ALL_ARGS_NONNULL)?$/.exec(text)
  if (written) return { name: written[2], result: written[1], takes: parametersOf(written[3] ?? '') }
  throw new Error(`not understood: ${text}`)
}

/** @param {string} text */
function parametersOf(text) {
  const bare = text.replace(/\b_\w+_\b(?:\([^()]*\))?/g, '').trim()
  return bare === '' || bare === 'void' ? [] : bare.split(',').map(one => one.trim())
}

/**
 * A type as koffi names it: every pointer but a text's is one to void, and every enumeration an int.
 *
 * @param {string} type of a parameter, with its name, or of a result
 */
function koffiType(type) {
  const stars = type.split('*').length - 1
  if (/^(const )?(char|ORTCHAR_T) ?\*/.test(type) && stars === 1 && /^const /.test(type)) return 'str'
  if (stars > 0) return 'void *'
  const name =
    type
      .replace(/\b(enum|const)\b/g, '')
      .trim()
      .split(' ')[0] ?? ''
  if (name === 'void' || name === 'size_t' || name === 'int') return name
  if (/^(Ort\w+|ONNX\w+|ExecutionMode|GraphOptimizationLevel)$/.test(name)) return 'int'
  throw new Error(`a parameter of an unknown type: ${type}`)
}

/** @param {string} header */
export function functionsText(header) {
  const version = /#define ORT_API_VERSION (\d+)/.exec(header)?.[1]
  const members = membersOf(header)
  const lines = needed.map(name => {
    const place = members.findIndex(member => member.name === name)
    const member = members[place]
    if (member === undefined) throw new Error(`the header has no ${name}`)
    const takes = member.takes.map(type => `'${koffiType(type)}'`).join(', ')
    return `  ${name}: { place: ${place}, result: '${koffiType(member.result)}', takes: [${takes}] },`
  })
  return `// Written by scripts/ort-functions.js from onnxruntime_c_api.h; do not edit.

/** The version of the table that is asked for. Later versions of ONNX Runtime have it too: they only add at its end. */
export const tableVersion = ${version}

/** Functions by name: place in \`struct OrtApi\`, and types in koffi's names. */
export const functions = {
${lines.join('\n')}
} as const
`
}

const [, script, header] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  if (header === undefined) throw new Error('usage: node scripts/ort-functions.js onnxruntime_c_api.h')
  writeFileSync(
    new URL('../src/runtime/c-api/functions.ts', import.meta.url),
    functionsText(readFileSync(header, 'utf8')),
  )
}
