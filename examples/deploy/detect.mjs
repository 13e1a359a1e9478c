/**
 * Finds objects with an exported detector, and draws them: node detect.mjs model.onnx photo.jpg boxes.png
 * Needs onnxruntime-node and sharp; of Moiety it uses `readMetadata` only.
 */
import { readFileSync } from 'node:fs'
import { readMetadata } from 'moiety/export'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import sharp from 'sharp'

const [model, photo, drawing] = process.argv.slice(2)
const { input, normalisation, detection, classes } = readMetadata(readFileSync(model), model)
if (input.dtype !== 'float32' || input.layout !== 'NCHW')
  throw new Error(`${model} was exported with --uint8 or --channels-last, which this example does not feed`)

// The size of the image on the canvas: the longer and the shorter side are limited, each side is rounded.
const { width, height } = await sharp(photo).metadata()
const [rows, columns] = input.canvas
const scale = Math.min(
  detection.longest / Math.max(width, height),
  detection.shortest / Math.min(width, height),
)
const [w, h] = [width, height].map(side => Math.max(1, Math.round(side * scale)))
if (h > rows || w > columns) throw new Error(`${photo} needs the file with the other canvas than ${model}`)

// Resized, normalised, in the upper left corner; the rest is 0.
const resized = sharp(photo).resize(w, h, { fit: 'fill', kernel: 'linear' })
const pixels = await resized.flatten({ background: '#fff' }).toColourspace('srgb').raw().toBuffer()
const images = new Float32Array(3 * rows * columns)
for (let channel = 0; channel < 3; channel++)
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      images[(channel * rows + y) * columns + x] =
        (pixels[3 * (y * w + x) + channel] / 255 - normalisation.mean[channel]) / normalisation.std[channel]

const session = await InferenceSession.create(model)
const { boxes, scores, labels } = await session.run({
  [input.name]: new Tensor('float32', images, [1, 3, rows, columns]),
})

// Back to pixels of the photo, each axis by its own ratio, and into the image.
const found = Array.from(scores.data, (score, i) => {
  const corners = Array.from(boxes.data.subarray(4 * i, 4 * i + 4), (value, side) =>
    side % 2 === 0
      ? Math.min(Math.max((value * width) / w, 0), width)
      : Math.min(Math.max((value * height) / h, 0), height),
  )
  const label = Number(labels.data[i])
  return { class: classes[label], category_id: detection.category_ids[label], score, box: corners }
}).sort((a, b) => b.score - a.score)
console.log(JSON.stringify(found))

const outlines = found
  .filter(({ score }) => score > 0.3)
  .map(({ box: [x1, y1, x2, y2] }) => `<rect x="${x1}" y="${y1}" width="${x2 - x1}" height="${y2 - y1}"/>`)
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
  <g fill="none" stroke="#e4572e" stroke-width="2">${outlines.join('')}</g></svg>`
await sharp(photo)
  .composite([{ input: Buffer.from(svg) }])
  .toFile(drawing)
