import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { listCheckpoints, readCheckpoint, writeCheckpoint } from '../src/run/checkpoint.ts'
import {
  command,
  fingerprint,
  moiety,
  newFolder,
  start,
  tinyConfig,
  untilLines,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/**
 * What a user meets when something is wrong, through the command line: the message, the exit code, and that nothing is
 * lost.
 */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'))
const recipe = writeRecipe(folder, tinyConfig(data, [{ style: 'conv', constraint: { name: 'importance' } }]))

/** A finished run of two epochs with a checkpoint after each step. */
const finished = join(folder, 'finished')
beforeAll(async () => {
  const { code, stderr } = await moiety('train', recipe, '--out', finished, '--set', 'training.epochs=2')
  expect(code, stderr).toBe(0)
})

let copies = 0
function copyOfFinished(): string {
  const copy = join(folder, `copy-${copies++}`)
  copyFolder(finished, copy)
  return copy
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) copyFolder(join(from, entry.name), join(to, entry.name))
    else writeFileSync(join(to, entry.name), readFileSync(join(from, entry.name)))
  }
}

function damage(file: string): void {
  const bytes = readFileSync(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  writeFileSync(file, bytes)
}

describe('data', () => {
  it('that ends inside a record names file and record, exit code 3', async () => {
    const broken = writeTinyCifar(join(folder, 'truncated'))
    truncateSync(join(broken, 'train.bin'), 3074 * 7 + 100)
    const { code, stderr } = await moiety(
      'train',
      recipe,
      '--set',
      `data.directory=${broken}`,
      '--out',
      join(folder, 'a'),
    )
    expect(code).toBe(3)
    expect(stderr).toMatch(/train\.bin/)
    expect(stderr).toMatch(/record 7/)
  })

  it('with a label out of range names the record, exit code 3', async () => {
    const broken = writeTinyCifar(join(folder, 'label'))
    const bytes = readFileSync(join(broken, 'train.bin'))
    bytes[3074 * 5 + 1] = 200
    writeFileSync(join(broken, 'train.bin'), bytes)
    const { code, stderr } = await moiety(
      'train',
      recipe,
      '--set',
      `data.directory=${broken}`,
      '--out',
      join(folder, 'b'),
    )
    expect(code).toBe(3)
    expect(stderr).toMatch(/record 5/)
    expect(stderr).toMatch(/200/)
  })

  it('of which a file is missing names it, exit code 3', async () => {
    const broken = writeTinyCifar(join(folder, 'half'))
    rmSync(join(broken, 'test.bin'))
    const { code, stderr } = await moiety('train', recipe, '--data', broken, '--out', join(folder, 'f'))
    expect(code).toBe(3)
    expect(stderr).toContain('found no test.bin')
  })

  it('of one class only, or with a file among folders, is refused, exit code 3', async () => {
    const images = join(folder, 'one class')
    mkdirSync(join(images, 'cat'), { recursive: true })
    const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: '#102030' } }).png()
    for (let i = 0; i < 3; i++) await picture.clone().toFile(join(images, 'cat', `${i}.png`))
    const words = ['train', recipe, '--data', images, '--out', join(folder, 'g')]
    const alone = await moiety(...words)
    expect(alone.code).toBe(3)
    expect(alone.stderr).toContain('expected two classes or more to tell apart, found cat alone')
    mkdirSync(join(images, 'cat', 'tabby'))
    writeFileSync(join(images, 'cat', 'tabby', 'a.png'), '')
    const mixed = await moiety(...words)
    expect(mixed.code).toBe(3)
    expect(mixed.stderr).toContain('the file 0.png next to the folder tabby')
  })

  it('that is not there says so, exit code 3', async () => {
    const { code, stderr } = await moiety(
      'train',
      recipe,
      '--set',
      `data.directory=${folder}/nowhere`,
      '--out',
      join(folder, 'c'),
    )
    expect(code).toBe(3)
    expect(stderr).toContain('nowhere')
  })

  it('with an unreadable image stops and names it, or skips it and reports it', async () => {
    const images = join(folder, 'images')
    for (const name of ['cat', 'dog']) {
      mkdirSync(join(images, name), { recursive: true })
      for (let i = 0; i < 12; i++) {
        const background = name === 'cat' ? '#a03010' : '#1030a0'
        await sharp({ create: { width: 16, height: 16, channels: 3, background } })
          .png()
          .toFile(join(images, name, `${i}.png`))
      }
    }
    writeFileSync(join(images, 'dog', 'broken.png'), 'not an image')
    const words = ['train', recipe, '--data', images, '--set', 'data.size=16', '--set', 'training.epochs=1']
    const stopped = await moiety(...words, '--out', join(folder, 'd'))
    expect(stopped.code).toBe(3)
    expect(stopped.stderr).toContain('broken.png')
    const skipped = await moiety(...words, '--set', 'data.unreadable=skip', '--out', join(folder, 'e'))
    expect(skipped.code, skipped.stderr).toBe(0)
    expect(skipped.stderr).toContain('broken.png')
  })
})

describe('configuration', () => {
  it.each([
    ['an unknown key', ['--set', 'training.epoch=3'], /training\.epochs/],
    ['more chosen experts than there are', ['--set', 'model.moe.0.k=9'], /9.*4|4.*9/],
    ['a position that no ResNet has', ['--set', 'model.moe.0.position=7'], /position/],
    ['K = 1 with the weights of the paper', ['--set', 'model.moe.0.k=1'], /gradient/],
  ])('with %s is refused before anything starts, exit code 2', async (_what, words, message) => {
    const run = join(folder, `config-${copies++}`)
    const { code, stderr } = await moiety('train', recipe, '--out', run, ...words)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(() => readdirSync(run)).toThrow()
  })

  it('that changed since the run began lists the differences on resuming, exit code 2', async () => {
    const run = copyOfFinished()
    const words = [
      '--set',
      'optimizer.learningRate=0.5',
      '--set',
      'model.width=8',
      '--set',
      'training.epochs=3',
    ]
    const { code, stderr } = await moiety('train', '--resume', '--out', run, ...words)
    expect(code).toBe(2)
    expect(stderr).toContain('optimizer.learningRate: 0.003 before, 0.5 now')
    expect(stderr).toContain('model.width: 4 before, 8 now')
    expect(stderr).not.toContain('training.epochs')
  })
})

describe('a damaged checkpoint', () => {
  it('is found by its checksum on resuming, exit code 5, and the one before it is offered and accepted', async () => {
    const run = copyOfFinished()
    const before = fingerprint(run)
    const [older, newest] = listCheckpoints(run).slice(-2)
    damage(join(newest!.path, 'model.safetensors'))
    const refused = await moiety('train', '--resume', '--out', run)
    expect(refused.code).toBe(5)
    expect(refused.stderr).toContain(newest!.path)
    expect(refused.stderr).toMatch(/its SHA-256 is \w+, expected \w+/)
    expect(refused.stderr).toContain(`--resume=auto --out RUN resumes from ${older!.path}`)
    const accepted = await moiety('train', '--resume=auto', '--out', run)
    expect(accepted.code, accepted.stderr).toBe(0)
    expect(accepted.stderr).toContain('warning: passed over damaged checkpoints')
    expect(fingerprint(run)).toEqual(before)
  })

  it('is not evaluated, exit code 5', async () => {
    const run = copyOfFinished()
    damage(join(listCheckpoints(run).at(-1)!.path, 'model.safetensors'))
    const { code, stderr } = await moiety('eval', run)
    expect(code).toBe(5)
    expect(stderr).toMatch(/its SHA-256 is \w+, expected \w+/)
  })

  it('whose record was changed is not trained from, exit code 5', async () => {
    const run = copyOfFinished()
    appendFileSync(join(listCheckpoints(run).at(-1)!.path, 'state.json'), ' ')
    const { code } = await moiety('train', '--resume', '--out', run, '--set', 'training.epochs=3')
    expect(code).toBe(5)
  })
})

describe('the configuration in the folder of a run', () => {
  const edited = (change: (text: string) => string): string => {
    const run = copyOfFinished()
    const file = join(run, 'config.json')
    writeFileSync(file, change(readFileSync(file, 'utf8')))
    return run
  }

  it('that somebody changed is noticed on resuming, exit code 5', async () => {
    const run = edited(text => text.replace('"learningRate": 0.003', '"learningRate": 0.001'))
    const { code, stderr } = await moiety('train', '--resume', '--out', run, '--set', 'training.epochs=3')
    expect(code).toBe(5)
    expect(stderr).toContain('not the one that its checkpoint was trained by')
  })

  it('that was cut short is named, exit code 5, by whoever reads it', async () => {
    const run = edited(text => text.slice(0, 100))
    for (const words of [
      ['train', '--resume', '--out', run],
      ['eval', run],
    ]) {
      const { code, stderr } = await moiety(...words)
      expect(code).toBe(5)
      expect(stderr).toContain('config.json is not JSON')
    }
  })
})

describe('the disk', () => {
  it('being full leaves the checkpoint before intact, exit code 5', async () => {
    const run = copyOfFinished()
    const last = listCheckpoints(run).at(-1)!
    // A limit on the size of files is what a test can have of a full disk: a checkpoint's model is larger.
    const words = ['train', '--resume', '--out', run, '--set', 'training.epochs=3']
      .map(word => `'${word}'`)
      .join(' ')
    const script = `ulimit -f 120; exec '${process.execPath}' '${command}' ${words}`
    const { code, stderr } = await start(['-c', script], 'bash', []).ended
    expect(code, stderr).toBe(5)
    expect(stderr).toContain('checkpoints')
    expect(listCheckpoints(run).at(-1)).toEqual(last)
    expect(readCheckpoint(last.path).step).toBe(last.step)
    const resumed = await moiety('train', '--resume', '--out', run, '--set', 'training.epochs=3')
    expect(resumed.code, resumed.stderr).toBe(0)
  })
})

describe('the run folder', () => {
  it('of a running training is refused to a second one, which is told whose it is, exit code 2', async () => {
    const run = join(folder, 'shared')
    const { child, ended } = start(['train', recipe, '--out', run, '--set', 'training.epochs=400'])
    await untilLines(run, 2, child)
    const second = await moiety('train', '--resume', '--out', run)
    child.kill('SIGTERM')
    expect((await ended).code).toBe(143)
    expect(second.code).toBe(2)
    expect(second.stderr).toContain(String(child.pid))
  })

  it('that holds something else is refused, exit code 2, and left as it is', async () => {
    const foreign = join(folder, 'foreign')
    mkdirSync(foreign)
    writeFileSync(join(foreign, 'thesis.txt'), 'years of work')
    const { code, stderr } = await moiety('train', recipe, '--out', foreign)
    expect(code).toBe(2)
    expect(stderr).toContain('thesis.txt')
    expect(readdirSync(foreign)).toEqual(['thesis.txt'])
  })

  it('that holds a finished run is not trained over without --resume, exit code 2', async () => {
    const { code, stderr } = await moiety('train', recipe, '--out', finished)
    expect(code).toBe(2)
    expect(stderr).toContain('--resume')
  })
})

describe('a training that diverges', () => {
  it('stops with exit code 4, names the tensor that went bad, and keeps the last good checkpoint', async () => {
    const run = join(folder, 'diverged')
    // Weight decay far beyond 2 makes every step multiply the weights by about −10⁶.
    const optimizer = JSON.stringify({ name: 'sgd', learningRate: 1000, weightDecay: 1000 })
    const words = ['--set', `optimizer=${optimizer}`, '--set', 'schedule.name=constant']
    const { code, stderr } = await moiety('train', recipe, '--out', run, ...words)
    expect(code, stderr).toBe(4)
    expect(stderr).toMatch(/first tensor that is not finite is "/)
    const last = listCheckpoints(run).at(-1)
    if (last === undefined) expect(stderr).toContain('there is no checkpoint yet')
    else {
      expect(stderr).toContain(last.path)
      for (const { data: values } of readCheckpoint(last.path).state.values()) {
        expect(values.every((value: number | bigint) => Number.isFinite(Number(value)))).toBe(true)
      }
    }
  })
})

describe('a network whose results are no numbers', () => {
  it('is not reported as right: neither trained on nor evaluated, exit code 4', async () => {
    const run = copyOfFinished()
    const { path } = listCheckpoints(run).at(-1)!
    const { state, ...record } = readCheckpoint(path)
    const huge = new Map(state)
    const fc = state.get('fc.weight')!
    huge.set('fc.weight', { ...fc, data: new Float32Array(fc.data.length).fill(3e38) })
    writeCheckpoint(run, { ...record, state: huge })
    const { code, stdout, stderr } = await moiety('eval', run)
    expect(code).toBe(4)
    expect(stdout).toBe('')
    expect(stderr).toContain('not finite')
  })
})

describe('a terminal that is gone', () => {
  it('does not end a training: it continues without telling anybody, to the limits of its command line', async () => {
    const run = join(folder, 'untold')
    const short = ['--set', 'training.epochs=1', '--set', 'data.limit.train=32']
    const { child, ended } = start(['train', recipe, '--out', run, ...short])
    child.stderr!.destroy()
    expect((await ended).code).toBe(0)
    expect(fingerprint(run).step).toBe(2)
  })
})

describe('an evaluation', () => {
  it.each([
    [['--k', '9'], /9/],
    [['--only', '4'], /0 to 3/],
    [['--without', '7'], /0 to 3/],
    [['--only', '1', '--k', '2'], /--only/],
  ])('with %j is refused, exit code 2', async (words, message) => {
    const { code, stderr } = await moiety('eval', finished, ...words)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })

  it('changes the routing as told', async () => {
    const alone = await moiety('eval', finished, '--only', '1', '--json')
    const without = await moiety('eval', finished, '--without', '1', '--json')
    const importance = (text: string): number[] =>
      (JSON.parse(text) as { layers: { importance: number[] }[] }).layers[0]!.importance
    expect(importance(alone.stdout)).toEqual([0, 1, 0, 0])
    expect(importance(without.stdout)[1]).toBe(0)
  })

  it('weighs all experts the same when told so', async () => {
    // In a process of its own, which has to end by itself, as in other files for other commands.
    const { stdout } = await start(['eval', finished, '--equal', '--json']).ended
    const [layer] = (JSON.parse(stdout) as { layers: { importance: number[]; activation: number[] }[] })
      .layers
    for (const share of layer!.importance) expect(share).toBeCloseTo(0.25, 6)
    expect(layer!.activation).toEqual([1, 1, 1, 1])
  })

  it('on data with other classes names the first that differs, exit code 2', async () => {
    const other = writeTinyCifar(join(folder, 'renamed'))
    const names = readFileSync(join(other, 'fine_label_names.txt'), 'utf8')
    writeFileSync(join(other, 'fine_label_names.txt'), names.replace('class3\n', 'dolphin\n'))
    const { code, stderr } = await moiety('eval', finished, '--data', other)
    expect(code).toBe(2)
    expect(stderr).toContain('class 3 was "class3" when the run was trained, but is "dolphin" in the data')
  })

  it('of a folder that is no run says so, exit code 2', async () => {
    expect((await moiety('eval', data)).code).toBe(2)
  })
})
