"""Checks an exported model with the reference checker and runs it: python check_onnx.py model.onnx images.bin

images.bin holds the input, row-major, in the dtype that the model takes. Prints JSON: outputs, shapes and metadata.
"""

import json
import sys

import numpy
import onnx
import onnxruntime

path, images = sys.argv[1:3]
onnx.checker.check_model(onnx.load(path), full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
(given,) = session.get_inputs()
shape = [extent if isinstance(extent, int) else -1 for extent in given.shape]
dtype = {"tensor(float)": numpy.float32, "tensor(uint8)": numpy.uint8}[given.type]
results = session.run(None, {given.name: numpy.fromfile(images, dtype).reshape(shape)})
names = [output.name for output in session.get_outputs()]
print(
    json.dumps(
        {
            "outputs": {name: {"dims": r.shape, "data": r.ravel().tolist()} for name, r in zip(names, results)},
            "metadata": session.get_modelmeta().custom_metadata_map,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }
    )
)
