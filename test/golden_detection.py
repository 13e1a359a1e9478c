"""Makes fixtures/detection-golden.json: python golden_detection.py > fixtures/detection-golden.json

What the parts of a detector must give, in float64, from other hands: losses, pyramid and heads from torch with its
autograd, intersections over union from pycocotools, non-maximum suppression from the reference of ONNX, anchors and
codes of boxes written out in numpy. Needs torch 2.13, onnx 1.23, pycocotools 2.0.11.
"""

import json
import math

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from pycocotools import mask

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(5)


def numbers(tensor):
    return [float(f"{value:.11g}") for value in torch.as_tensor(tensor).detach().reshape(-1).tolist()]


def wave(seed, *shape):
    """Numbers that the test can make for itself: 0.4·sin(seed + 0.7·i)."""
    return (0.4 * torch.sin(seed + 0.7 * torch.arange(math.prod(shape)))).reshape(shape).requires_grad_()


def gradient_of(value, *wrt):
    return [numbers(gradient) for gradient in torch.autograd.grad(value, wrt)]


def counted(targets, classes):
    positive = (targets >= 0) & (targets < classes)
    return positive, positive.sum(1).clamp(min=1).to(torch.float64)


def focal(probability_of, targets, classes):
    """Element by element: [N, A, C] log-probabilities of yes and no, then alpha, gamma and the mask."""
    yes, no = probability_of
    wanted = F.one_hot(targets.clamp(min=0), classes + 1)[..., :classes].to(torch.float64)
    log_pt = wanted * yes + (1 - wanted) * no
    alpha = wanted * 0.25 + (1 - wanted) * 0.75
    each = -alpha * (1 - log_pt.exp()) ** 2 * log_pt
    each = torch.where((targets >= 0)[..., None], each, torch.zeros_like(each))
    _, count = counted(targets, classes)
    return (each.sum((1, 2)) / count).mean()


def losses():
    classes = 3
    # An image with positive, background and ignored anchors, one of background alone, one with one positive.
    targets = torch.tensor([[0, 2, 3, -1, 3, 2, 1], [3, 3, 3, 3, 3, -1, 3], [-1, -1, 1, 3, 3, 3, 3]])
    logits = (4 * torch.randn(3, 7, classes, generator=generator)).requires_grad_()
    from_logits = focal((F.logsigmoid(logits), F.logsigmoid(-logits)), targets, classes)
    other = (4 * torch.randn(3, 7, classes, generator=generator)).requires_grad_()
    weight = torch.tensor(0.3, requires_grad=True)
    mixture = weight * logits.sigmoid() + (1 - weight) * other.sigmoid()
    from_mixture = focal((mixture.log(), (1 - mixture).log()), targets, classes)
    codes = (0.3 * torch.randn(3, 7, 4, generator=generator)).requires_grad_()
    wanted = 0.3 * torch.randn(3, 7, 4, generator=generator)
    positive, count = counted(targets, classes)
    each = F.smooth_l1_loss(codes, wanted, beta=1 / 9, reduction="none").sum(2) * positive
    smooth = (each.sum(1) / count).mean()
    return {
        "classes": classes,
        "targets": targets.tolist(),
        "logits": numbers(logits),
        "other": numbers(other),
        "weight": 0.3,
        "fromLogits": {"value": from_logits.item(), "gradient": gradient_of(from_logits, logits)[0]},
        "fromMixture": {
            "value": from_mixture.item(),
            "gradients": gradient_of(from_mixture, logits, other, weight),
        },
        "codes": numbers(codes),
        "boxTargets": numbers(wanted),
        "smoothL1": {"value": smooth.item(), "gradient": gradient_of(smooth, codes)[0]},
    }


def anchors_of(height, width, strides):
    rows = []
    for stride in strides:
        ys, xs = np.meshgrid(
            np.arange(math.ceil(height / stride)), np.arange(math.ceil(width / stride)), indexing="ij"
        )
        base = [
            (4 * stride * scale * math.sqrt(1 / ratio), 4 * stride * scale * math.sqrt(ratio))
            for ratio in (0.5, 1, 2)
            for scale in (1, 2 ** (1 / 3), 2 ** (2 / 3))
        ]
        for y, x in zip(ys.ravel(), xs.ravel()):
            cx, cy = stride * (x + 0.5), stride * (y + 0.5)
            rows += [[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2] for w, h in base]
    return np.array(rows).astype(np.float32).astype(np.float64)


def matching():
    height, width, strides = 40, 56, [8, 16, 32, 64, 128]
    anchors = anchors_of(height, width, strides)
    # The third is small: no anchor of it reaches 0.4. The last two are one box.
    boxes = np.array([[4.5, 3, 39, 37.5], [10, 8, 52, 30], [40, 30, 46, 35], [0, 5, 20, 40], [0, 5, 20, 40]])
    xywh = lambda b: np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1)
    iou = mask.iou(xywh(anchors), xywh(boxes), np.zeros(len(boxes), np.uint8))
    best, own = iou.max(1), iou.argmax(1)
    result = np.where(best >= 0.5, own, np.where(best < 0.4, -1, -2))
    low = result.copy()
    for column in iou.T:
        at = column == column.max()
        low[at] = own[at]
    positive = result >= 0
    matched, anchor = boxes[result[positive]], anchors[positive]
    size, anchor_size = matched[:, 2:] - matched[:, :2], anchor[:, 2:] - anchor[:, :2]
    shift = ((matched[:, :2] + matched[:, 2:]) - (anchor[:, :2] + anchor[:, 2:])) / 2
    codes = np.concatenate([shift / anchor_size / 0.1, np.log(size / anchor_size) / 0.2], 1)
    return {
        "canvas": [height, width],
        "strides": strides,
        "anchors": numbers(anchors),
        "boxes": numbers(boxes),
        "match": result.tolist(),
        "lowQuality": low.tolist(),
        "codes": numbers(codes),
    }


def decoding():
    anchors = anchors_of(16, 16, [16])
    # Large enough for some to leave the canvas, and two to grow beyond what is believed.
    codes = 3 * torch.randn(len(anchors), 4, generator=generator).numpy()
    codes[0, 2], codes[1, 3] = 25, 40
    size = anchors[:, 2:] - anchors[:, :2]
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2 + codes[:, :2] * 0.1 * size
    half = size * np.exp(np.minimum(codes[:, 2:] * 0.2, np.log(1000 / 16))) / 2
    boxes = np.clip(np.concatenate([centre - half, centre + half], 1), 0, [20, 16, 20, 16])
    return {"canvas": [16, 20], "anchors": numbers(anchors), "codes": numbers(codes), "boxes": numbers(boxes)}


def suppression():
    corners = 60 * torch.rand(2, 40, 2, generator=generator)
    sides = 6 + 20 * torch.rand(2, 40, 2, generator=generator)
    boxes = torch.cat([corners, corners + sides], 2).to(torch.float32)
    # Tenths, so that there are ties.
    scores = (torch.rand(2, 3, 40, generator=generator) * 10).round().div(10).to(torch.float32)
    constant = lambda name, kind, value: helper.make_tensor(name, kind, [1], [value])
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "score"], ["rows"])],
        "nms",
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, boxes.shape),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, scores.shape),
        ],
        [helper.make_tensor_value_info("rows", TensorProto.INT64, ["m", 3])],
        [
            constant("most", TensorProto.INT64, 12),
            constant("iou", TensorProto.FLOAT, 0.5),
            constant("score", TensorProto.FLOAT, 0.25),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    rows = ReferenceEvaluator(model).run(None, {"boxes": boxes.numpy(), "scores": scores.numpy()})[0]
    return {
        "boxes": numbers(boxes),
        "scores": numbers(scores),
        "options": {"maxPerClass": 12, "iou": 0.5, "score": 0.25},
        "rows": rows.tolist(),
    }


def with_gradients(outputs, parameters):
    objective = sum((output * wave(9 + i, *output.shape).detach()).sum() for i, output in enumerate(outputs))
    return {
        "outputs": [numbers(output) for output in outputs],
        "gradients": dict(zip(parameters, gradient_of(objective, *parameters.values()))),
    }


def pyramid():
    channels = 3
    c3, c4, c5 = wave(1, 2, 4, 5, 6), wave(2, 2, 5, 3, 3), wave(3, 2, 6, 2, 2)
    shapes = {
        "inner_blocks.0.0": (3, 4, 1, 1),
        "inner_blocks.1.0": (3, 5, 1, 1),
        "inner_blocks.2.0": (3, 6, 1, 1),
        "layer_blocks.0.0": (3, 3, 3, 3),
        "layer_blocks.1.0": (3, 3, 3, 3),
        "layer_blocks.2.0": (3, 3, 3, 3),
        "extra_blocks.p6": (3, 6, 3, 3),
        "extra_blocks.p7": (3, 3, 3, 3),
    }
    parameters = {}
    for i, (name, shape) in enumerate(shapes.items()):
        parameters[f"{name}.weight"] = wave(20 + i, *shape)
        parameters[f"{name}.bias"] = wave(40 + i, channels)

    def conv(name, x, **options):
        return F.conv2d(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"], **options)

    def larger(x, like):
        return F.interpolate(x, scale_factor=2, mode="nearest")[..., : like.shape[2], : like.shape[3]]

    m3, m4, m5 = (conv(f"inner_blocks.{i}.0", c) for i, c in enumerate((c3, c4, c5)))
    m4 = m4 + larger(m5, m4)
    m3 = m3 + larger(m4, m3)
    p3, p4, p5 = (conv(f"layer_blocks.{i}.0", m, padding=1) for i, m in enumerate((m3, m4, m5)))
    p6 = conv("extra_blocks.p6", c5, stride=2, padding=1)
    p7 = conv("extra_blocks.p7", p6.relu(), stride=2, padding=1)
    return with_gradients([p3, p4, p5, p6, p7], {"c3": c3, "c4": c4, "c5": c5, **parameters})


def heads():
    each, classes = 2, 3
    levels = [wave(1, 2, 4, 3, 2), wave(2, 2, 4, 1, 1)]
    parameters, outputs = {}, []
    for h, (head, last, width) in enumerate(
        [("classification_head", "cls_logits", classes), ("regression_head", "bbox_reg", 4)]
    ):
        shapes = {
            f"{head}.conv.0.0": (4, 4, 3, 3),
            f"{head}.conv.1.0": (4, 4, 3, 3),
            f"{head}.{last}": (each * width, 4, 3, 3),
        }
        for i, (name, shape) in enumerate(shapes.items()):
            parameters[f"{name}.weight"] = wave(20 + 10 * h + i, *shape)
            parameters[f"{name}.bias"] = wave(50 + 10 * h + i, shape[0])
        rows = []
        for x in levels:
            for i, name in enumerate(shapes):
                x = F.conv2d(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"], padding=1)
                x = x.relu() if i < 2 else x
            # As torchvision: [N, anchors · K, H, W] to [N, H, W, anchors, K].
            n, _, height, width_ = x.shape
            rows.append(x.view(n, each, width, height, width_).permute(0, 3, 4, 1, 2).reshape(n, -1, width))
        outputs.append(torch.cat(rows, 1))
    return with_gradients(outputs, parameters)


def original():
    """Where METHOD.md section 5.3 differs from torchvision: probabilities cut off, a gate on the positive part, short sides."""
    classes = 2
    targets = torch.tensor([[0, 2, 1, -1, 0, 2]])
    # Of each kind of target some that are cut off on either side, at 1e-4 (logit 9.21), and some that are not.
    logits = torch.tensor([[[-11, 0.5], [-10, 12], [-3, -9.5], [20, -20], [9.4, -1], [9, -9.1]]])
    logits = logits.to(torch.float64).requires_grad_()
    kept = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    clamped = focal((kept.log(), (1 - kept).log()), targets, classes)
    x = wave(3, 2, 3, 2, 4)
    weight, bias = wave(4, 4, 3), wave(5, 4)
    gate = F.linear(F.adaptive_avg_pool2d(x.relu(), 1).flatten(1), weight, bias)
    # Corners of boxes of less than a pixel along x, along y, along both; sides count as at least 1, centres stay.
    boxes = torch.tensor([[4.0, 5, 4.25, 9], [6, 7.5, 12, 8], [2, 2, 2.5, 2.125]])
    anchor = torch.tensor([0.0, 0, 8, 16])
    side = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    centre, anchor_side = (boxes[:, :2] + boxes[:, 2:]) / 2, anchor[2:] - anchor[:2]
    codes = torch.cat([(centre - anchor_side / 2) / anchor_side / 0.1, (side / anchor_side).log() / 0.2], 1)
    return {
        "targets": targets.tolist(),
        "logits": numbers(logits),
        "clampedFocal": {"value": clamped.item(), "gradient": gradient_of(clamped, logits)[0]},
        "gate": with_gradients([gate], {"x": x, "fc.weight": weight, "fc.bias": bias}),
        "boxes": numbers(boxes),
        "anchor": numbers(anchor),
        "codes": numbers(codes),
    }


print(
    json.dumps(
        {
            "losses": losses(),
            "matching": matching(),
            "decoding": decoding(),
            "suppression": suppression(),
            "pyramid": pyramid(),
            "heads": heads(),
            "original": original(),
        }
    )
)
