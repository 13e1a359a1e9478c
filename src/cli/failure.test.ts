import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { explainFailure } from './failure.ts'

describe('a command that fails', () => {
  it('ends with the exit code of its error and says it, where and what to do', () => {
    const facts = { message: 'record 3 is torn', where: 'train.bin', help: 'fetch it again' }
    const ends = (['usage', 'data', 'diverged', 'disk'] as const).map(kind =>
      explainFailure(new MoietyError({ kind, ...facts }), false),
    )
    expect(ends.map(({ exitCode }) => exitCode)).toEqual([2, 3, 4, 5])
    expect(ends[0]?.text).toBe('error: record 3 is torn\n  at train.bin\n  help: fetch it again\n')
  })

  it('calls anything else a bug, with its stack where that was asked for', () => {
    const error = new TypeError('x is not a function')
    const short = explainFailure(error, false)
    expect(short.exitCode).toBe(1)
    expect(short.text).toContain('this is a bug in Moiety')
    expect(short.text).toContain('MOIETY_DEBUG=1')
    expect(short.text).not.toContain('failure.test')
    expect(explainFailure(error, true).text).toContain('failure.test')
    expect(explainFailure('no error at all', true).text).toContain('no error at all')
  })

  it('is told of too little memory, and not of a bug, when an array was too large', () => {
    const told = ['Array buffer allocation failed', 'Invalid typed array length: 38654705664'].map(message =>
      explainFailure(new RangeError(message), false),
    )
    for (const { exitCode, text } of told) {
      expect(exitCode).toBe(2)
      expect(text).toContain('needs more memory than there is')
      expect(text).toContain('lower model.width')
    }
    expect(explainFailure(new RangeError('Invalid typed array length: -1'), false).exitCode).toBe(1)
  })

  it('is told of too little memory where a library cannot be loaded for it, as under ulimit -v', () => {
    const message =
      'Could not load the "sharp" module\nERR_DLOPEN_FAILED: libvips-cpp.so.8: failed to map segment from shared object'
    expect(explainFailure(new Error(message), false)).toMatchObject({
      exitCode: 2,
      text: expect.stringContaining('needs more memory than there is'),
    })
  })

  it('is told what the system ran out of, wherever the error comes from, and not of a bug', () => {
    for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOSPC', 'EACCES', 'EXDEV']) {
      const error = Object.assign(new Error(`${code}: spawn`), { code, path: '/a/b' })
      const { exitCode, text } = explainFailure(error, false)
      expect([code, exitCode]).toEqual([code, 5])
      expect(text).toContain(`(${code})\n  at /a/b\n  help: `)
      expect(text).not.toContain('bug')
    }
    for (const error of [
      new Error('std::bad_alloc'),
      new Error('Failed to allocate memory for requested buffer of size 9000000000'),
      Object.assign(new Error('Worker initialization failure: EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' }),
    ])
      expect(explainFailure(error, false).text).toContain('needs more memory than there is')
    const mistake = Object.assign(new TypeError('x'), { code: 'ERR_INVALID_ARG_TYPE' })
    expect(explainFailure(mistake, false).exitCode).toBe(1)
  })

  it('is no failure when help was asked for, and a usage error when words were wrong', () => {
    expect(explainFailure(new CommanderError(0, 'commander.helpDisplayed', ''), false).exitCode).toBe(0)
    expect(explainFailure(new CommanderError(1, 'commander.unknownOption', ''), false).exitCode).toBe(2)
  })

  it('never passes control characters of a file name on to the terminal', () => {
    const error = new MoietyError({ kind: 'data', message: 'unreadable', where: 'a\u001b]0;title\u0007.png' })
    expect(explainFailure(error, false).text).toContain('a\\u001b]0;title\\u0007.png')
  })

  it('keeps a name on its line, so that none can add a line of its own to an error', () => {
    const facts = { message: 'no run a\n  help: rm -rf *', where: 'b\nerror: c', help: 'd\u2028e' }
    const error = new MoietyError({ kind: 'data', ...facts, details: ['  one\u200b\n', '  two'] })
    expect(explainFailure(error, false).text.split('\n')).toEqual([
      'error: no run a\\n  help: rm -rf *',
      '  one\\u200b\\n',
      '  two',
      '  at b\\nerror: c',
      '  help: d\\u2028e',
      '',
    ])
    expect(error.message).toContain('\n  two')
    expect(explainFailure(new Error('x\n\u009by'), false).text).toContain('error: x\\n\\u009by\n')
  })
})
