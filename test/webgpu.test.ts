import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newFolder, start, tinyConfig, writeRecipe } from './tiny.ts'

/*
 * WebGPU without a graphics card: Debian's chromium brings SwiftShader, which is Vulkan on the processor. The engine finds it by the
 * environment. Whether the networks train there is what the probe is to find out, so these tests hold for both outcomes: what doctor
 * says, train does.
 */
const icd = [
  process.env.SWIFTSHADER_ICD,
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
].find(file => file !== undefined && existsSync(file))
const title =
  icd === undefined
    ? 'WebGPU by SwiftShader (skipped: no vk_swiftshader_icd.json; install chromium, or set SWIFTSHADER_ICD)'
    : 'WebGPU by SwiftShader'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const moiety = (...words: string[]) =>
  start(
    words,
    undefined,
    undefined,
    { VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: dirname(icd!), NO_COLOR: '1' },
    folder,
  ).ended

interface DeviceJson {
  readonly device: string
  readonly outcome: string
  readonly reason?: string
}

describe.skipIf(icd === undefined)(title, () => {
  // A step compiles some hundred shaders on the processor.
  it('doctor takes a step of training there, and train gives the same answer before anything else', {
    timeout: 400_000,
  }, async () => {
    const doctor = await moiety('doctor', '--json')
    expect(doctor.code, doctor.stderr).toBe(0)
    const { devices }: { readonly devices: readonly DeviceJson[] } = JSON.parse(doctor.stdout)
    const found = devices.find(({ device }) => device === 'webgpu')!
    // There is an adapter: not to find it would test nothing.
    expect(found.outcome).not.toBe('absent')

    const nowhere = join(folder, 'nowhere')
    const config = { ...tinyConfig(nowhere), engine: { device: 'webgpu' } }
    const recipe = writeRecipe(folder, config)
    const training = await moiety('train', recipe)
    expect(existsSync(join(folder, 'runs')) ? readdirSync(join(folder, 'runs')) : []).toEqual([])
    if (found.outcome === 'trains') {
      // Its data is missed.
      expect(training.stderr).toContain(nowhere)
      return
    }
    expect(found.reason).not.toBe('')
    const refusal = `error: the device "webgpu" computes here, but does not train this network: ${found.reason}\n  at engine.device\n`
    expect(training.stderr).toContain(refusal)
    expect(training.code).toBe(2)

    // Nor is a run that holds a lock disturbed, or a sweep's folder made.
    const run = join(folder, 'run')
    mkdirSync(run)
    writeFileSync(join(run, 'config.json'), JSON.stringify(config))
    writeFileSync(join(run, 'run.lock.other'), '{}')
    const resumed = await moiety('train', '--resume', '--out', run)
    expect(resumed.stderr).toContain(refusal)
    expect(readdirSync(run).sort()).toEqual(['config.json', 'run.lock.other'])
    const sweep = join(folder, 'sweep.json')
    writeFileSync(
      sweep,
      JSON.stringify({ name: 'tiny', title: 'Tiny', recipe: 'recipe.json', grid: {}, seeds: [1, 2] }),
    )
    const swept = await moiety('sweep', sweep, '--out', join(folder, 'swept'))
    expect(swept.stderr).toContain(refusal)
    expect(swept.code).toBe(2)
    expect(existsSync(join(folder, 'swept'))).toBe(false)
  })
})
