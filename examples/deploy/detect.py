"""Finds objects with an exported detector, and draws them: python detect.py model.onnx photo.jpg boxes.png

Needs onnxruntime, numpy and pillow, and nothing of Moiety.
"""

import json
import sys

import numpy
import onnxruntime
from PIL import Image, ImageDraw

model, photo, drawing = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
form, normalisation, detection, classes = (
    json.loads(about[key]) for key in ("input", "normalisation", "detection", "classes")
)
if form["dtype"] != "float32" or form["layout"] != "NCHW":
    sys.exit(f"{model} was exported with --uint8 or --channels-last, which this example does not feed")

# The size of the image on the canvas: the longer and the shorter side are limited, each side is rounded.
image = Image.open(photo).convert("RGB")
width, height = image.size
rows, columns = form["canvas"]
scale = min(detection["longest"] / max(width, height), detection["shortest"] / min(width, height))
w, h = (max(1, int(side * scale + 0.5)) for side in (width, height))
if h > rows or w > columns:
    sys.exit(f"{photo} needs the file with the other canvas than {model}")

# Resized, normalised, in the upper left corner; the rest is 0.
pixels = numpy.asarray(image.resize((w, h), Image.Resampling.BILINEAR), numpy.float32)
mean, std = (numpy.asarray(normalisation[key], numpy.float32) for key in ("mean", "std"))
images = numpy.zeros([1, 3, rows, columns], numpy.float32)
images[0, :, :h, :w] = ((pixels / 255 - mean) / std).transpose(2, 0, 1)

boxes, scores, labels = session.run(["boxes", "scores", "labels"], {form["name"]: images})

# Back to pixels of the photo, each axis by its own ratio, and into the image.
boxes = boxes.astype(float) * [width / w, height / h, width / w, height / h]
boxes = boxes.clip(0, [width, height, width, height])
found = [
    {
        "class": classes[label],
        "category_id": detection["category_ids"][label],
        "score": float(score),
        "box": box.tolist(),
    }
    for box, score, label in zip(boxes, scores, labels)
]
found.sort(key=lambda one: -one["score"])
print(json.dumps(found))

draw = ImageDraw.Draw(image)
for one in found:
    if one["score"] > 0.3:
        draw.rectangle(one["box"], outline="#e4572e", width=2)
image.save(drawing)
