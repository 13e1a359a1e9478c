"""Writes test/fixtures/torchvision-retinanet.json: what torchvision's retinanet_resnet50_fpn finds in one image, with weights and pixels
that are a function of their names and places (`fraction`), which the test computes again.

    python test/golden_torchvision.py    # torch 2.13, torchvision 0.28

Where torchvision's compiled operators do not load, its non-maximum suppression is the one below, in Python."""

import json
import pathlib

import numpy
import torch


def nms(boxes, scores, threshold):
    kept = []
    left = scores.sort(descending=True, stable=True)[1].tolist()
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while left:
        best, left = left[0], torch.tensor(left[1:], dtype=torch.int64)
        kept.append(best)
        low, high = torch.maximum(boxes[best, :2], boxes[left, :2]), torch.minimum(boxes[best, 2:], boxes[left, 2:])
        common = (high - low).clamp(min=0).prod(1)
        # As in the compiled one, boxes without an area suppress nothing: 0 / 0 is not above the threshold.
        left = left[~(common / (area[best] + area[left] - common) > threshold)].tolist()
    return torch.tensor(kept, dtype=torch.int64)


try:
    import torchvision
except RuntimeError:
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CPU")
    register = torch.library.register_fake

    def register_known(name, *rest, **named):
        def decorate(function):
            try:
                return register(name, *rest, **named)(function)
            except RuntimeError:
                return function

        return decorate

    torch.library.register_fake = register_known
    import sys

    for module in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[module]
    import torchvision

    torchvision.ops.boxes._assert_has_ops = lambda: None

from torchvision.models.detection.image_list import ImageList


def fraction(name, count):
    """`count` numbers in [0, 1): the FNV-1a hash of the name plus multiples of 2654435761, mixed, over 2^32."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    x = (numpy.arange(count, dtype=numpy.uint64) * 2654435761 + seed) & 0xFFFFFFFF
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return (x ^ (x >> 16)).astype(numpy.float64) / 2**32


def first(name, shape):
    """Kernels of variance 2 / fan-in (less in the pyramid and the outputs), BatchNorm near the identity, the last of a block smaller."""
    u = fraction(name, int(numpy.prod(shape)))
    if name.endswith("running_var"):
        values = 0.5 + u
    elif name.endswith("weight") and len(shape) == 1:
        values = (0.3 if ".bn3." in name else 1) * (0.75 + u / 2)
    elif len(shape) == 1:
        values = (u - 0.5) / 5 - (7.3 if "cls_logits" in name else 0)
    else:
        variance = 0.03 if "cls_logits" in name else 0.02 if "bbox_reg" in name else 1 if "fpn" in name else 2
        values = (2 * u - 1) * numpy.sqrt(3 * variance / numpy.prod(shape[1:]))
    return torch.from_numpy(values.astype(numpy.float32).reshape(shape))


model = torchvision.models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None).eval()
state = {name: tensor if tensor.dtype == torch.int64 else first(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()}
model.load_state_dict(state)
height, width = 96, 160
pixels = torch.from_numpy((3 * (fraction("pixels", 3 * height * width) - 0.5)).astype(numpy.float32).reshape(1, 3, height, width))
with torch.no_grad():
    features = list(model.backbone(pixels).values())
    outputs = model.head(features)
    anchors = model.anchor_generator(ImageList(pixels, [(height, width)]), features)
    sizes = [feature.shape[2] * feature.shape[3] * 9 for feature in features]
    split = {name: list(value.split(sizes, dim=1)) for name, value in outputs.items()}
    (found,) = model.postprocess_detections(split, [list(anchors[0].split(sizes))], [(height, width)])
candidates = [int((level.sigmoid() > model.score_thresh).sum()) for level in split["cls_logits"]]
print(torchvision.__version__, "candidates", candidates, "found", len(found["scores"]), found["scores"][:5], found["scores"][-1], features[-1].std())
places = [0, 1500, 2300, 2750, 2830, 2880, 2900]
golden = {
    "height": height,
    "width": width,
    "anchors": anchors[0][[0, 1, 8, 9, 500, 2000, -1]].tolist(),
    # Anchors of every level: logits of the first classes, codes of the box.
    "places": places,
    "logits": outputs["cls_logits"][0, places, :4].tolist(),
    "codes": outputs["bbox_regression"][0, places].tolist(),
    "boxes": [[round(value, 4) for value in box] for box in found["boxes"].tolist()],
    "scores": [round(value, 6) for value in found["scores"].tolist()],
    "labels": found["labels"].tolist(),
}
(pathlib.Path(__file__).parent / "fixtures" / "torchvision-retinanet.json").write_text(json.dumps(golden) + "\n")
