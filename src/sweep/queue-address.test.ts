import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { parseQueueAddress, queueAddress, withoutPassword } from './queue-address.ts'

const secret = 'hu/nter@2:#%?'

function refusalOf(action: () => unknown): MoietyError {
  try {
    action()
  } catch (cause) {
    if (cause instanceof MoietyError) return cause
    throw cause
  }
  throw new Error('nothing was refused')
}

describe('the address of a queue', () => {
  it('is read from a URL, with what may be left out', () => {
    expect(parseQueueAddress('redis://here', 'test').options).toEqual({ host: 'here', port: 6379, db: 0 })
    expect(parseQueueAddress('redis://[::1]:7000/3\n', 'test')).toEqual({
      shown: 'redis://[::1]:7000/3',
      options: { host: '::1', port: 7000, db: 3 },
    })
    const { shown, options } = parseQueueAddress(
      `rediss://ann:${encodeURIComponent(secret)}@h.example/1`,
      'test',
    )
    expect(shown).toBe('rediss://h.example:6379/1')
    expect(options).toEqual({
      host: 'h.example',
      port: 6379,
      db: 1,
      username: 'ann',
      password: secret,
      tls: { servername: 'h.example' },
    })
  })

  it.each([
    `redis://:${secret}@here`,
    'redis://:hunter2@here/zero',
    'redis://:hunter2@here/0?tls=yes',
    'redis://:hunter2@',
    'redis://:hunter2%2@here',
    'http://:hunter2@here',
    'hunter2',
    '',
  ])('%j is refused, and nothing of it is repeated', text => {
    const error = refusalOf(() => parseQueueAddress(text, '--queue'))
    expect([error.kind, error.where]).toEqual(['usage', '--queue'])
    expect(JSON.stringify([error.message, error.where, error.cause]) + error.stack).not.toMatch(/hu.?nter/)
    expect(error.help).toMatch(/rediss:.*written %25 %2F/)
  })

  it('is not taken for the name of a file, nor repeated', () => {
    for (const file of ['redis://:hunter2@here', 'REDISS://:hunter2@here', ' redis:hunter2@here']) {
      const error = refusalOf(() => queueAddress({ file }))
      expect(error.kind).toBe('usage')
      expect(error.describe()).toMatch(/expected a file .*\n {2}at --queue-file\n/)
      expect(error.describe() + error.stack).not.toContain('hunter2')
    }
  })

  it('is shown without its password where somebody else repeats it', () => {
    expect(
      withoutPassword("error: unknown option '--queu=redis://:hun/ter@2:#%? x@here/0'\n(more@there)"),
    ).toBe("error: unknown option '--queu=redis://…@here/0'\n(more@there)")
  })

  it('comes from the option, else from a file, else from the environment', () => {
    const environment = 'redis://third'
    expect(queueAddress({ url: 'redis://first', file: 'nowhere', environment }).options.host).toBe('first')
    expect(queueAddress({ url: true, environment }).options.host).toBe('third')
    expect(refusalOf(() => queueAddress({ file: '/nowhere', environment })).where).toBe('/nowhere')
    expect(refusalOf(() => queueAddress({ environment: ' ' })).help).toContain('MOIETY_QUEUE')
  })
})
