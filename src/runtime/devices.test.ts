import { describe, expect, it } from 'vitest'
import { availableDevices } from './devices.ts'
import { Engine } from './engine.ts'

describe('availableDevices', () => {
  it('finds the processor usable, and gives a reason for every other device that is not', async () => {
    const survey = await availableDevices()
    expect(survey.engine).toMatch(/^\d+\.\d+\.\d+$/)
    expect(survey.devices.map(report => report.device)).toEqual(['cpu', 'webgpu', 'cuda'])
    expect(survey.devices[0]).toEqual({ device: 'cpu', usable: true })
    for (const report of survey.devices) {
      if (report.usable) await (await Engine.start({ device: report.device })).stop()
      else {
        expect(report.reason).not.toBe('')
        await expect(Engine.start({ device: report.device })).rejects.toThrow(
          `the device "${report.device}" cannot`,
        )
      }
    }
  })
})
