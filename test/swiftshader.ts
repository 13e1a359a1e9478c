import { fork } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/*
 * WebGPU without a graphics card: Debian's chromium brings SwiftShader, which is Vulkan on the processor. The engine finds it by the
 * environment of its process.
 */
export const icd = [
  process.env.SWIFTSHADER_ICD,
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
].find(file => file !== undefined && existsSync(file))

/** The title of tests that need it. */
export const titled = (title: string): string =>
  icd === undefined
    ? `${title} (skipped: no vk_swiftshader_icd.json; install chromium, or set SWIFTSHADER_ICD)`
    : title

const environment = { VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: dirname(icd ?? '') }

/** Runs a program of this folder to its end, on SwiftShader: what it sends, and its stderr. */
export async function onSwiftShader<Sent>(
  file: string,
  ...words: string[]
): Promise<{ readonly sent: Sent[]; readonly stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-swiftshader-'))
  // ONNX Runtime stops to log where a pipe is full.
  const log = openSync(join(folder, 'stderr'), 'w')
  try {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), words, {
      stdio: ['ignore', 'ignore', log, 'ipc'],
      execArgv: [],
      env: { ...process.env, ...environment },
    })
    const sent: Sent[] = []
    child.on('message', (one: Sent) => sent.push(one))
    const code = await new Promise(resolve => child.on('close', resolve))
    const stderr = readFileSync(join(folder, 'stderr'), 'utf8')
    expect(code, stderr.slice(-2000)).toBe(0)
    return { sent, stderr }
  } finally {
    closeSync(log)
    rmSync(folder, { recursive: true })
  }
}
