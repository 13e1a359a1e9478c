import { expect, it } from 'vitest'
import { withoutPaths } from './without-paths.ts'

it('a configuration for others has the last name of each path, and everything else', () => {
  expect(
    withoutPaths({
      seed: 7,
      data: {
        name: 'boxes',
        directory: '../somebody/pictures',
        annotations: { train: '/home/somebody/a.json', val: null },
        images: { train: 'C:\\Users\\somebody\\images' },
        options: { table: '/home/somebody/table.csv', kind: 'a/b' },
      },
      model: { weights: 'runs/somebody/weights.pth', moe: [{ position: 4 }] },
      use: { files: ['/home/somebody/own.mjs'] },
    }),
  ).toEqual({
    seed: 7,
    data: {
      name: 'boxes',
      directory: 'pictures',
      annotations: { train: 'a.json', val: null },
      images: { train: 'images' },
      options: { table: 'table.csv', kind: 'a/b' },
    },
    model: { weights: 'weights.pth', moe: [{ position: 4 }] },
    use: { files: ['own.mjs'] },
  })
})
