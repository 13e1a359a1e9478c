"""ResNet-18 with the CIFAR stem, plain or with one stage as a sparsely-gated mixture of experts, in eager PyTorch.

Written for the comparison only: it computes what METHOD.md describes, the way a PyTorch user would write it.
Letters: N images, C channels, H W space, E experts, K chosen experts.
"""

import torch
from torch import nn
from torch.nn import functional as F

# Channels inside one expert of a ResNet-18 of width 64, for stages 1 to 4: an expert is half a stage.
EXPERT_WIDTHS = (25, 50, 90, 180)


def conv(inputs, outputs, extent, stride=1):
    return nn.Conv2d(inputs, outputs, extent, stride, padding=extent // 2, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)), inplace=True)


class ResBlockMoe(nn.Module):
    """A stage as a mixture: GAP-FC gate with noise, softmax after top-k, shortcut around; importance loss."""

    def __init__(self, inputs, outputs, stride, inside, experts, k, weight=0.5):
        super().__init__()
        self.experts = nn.ModuleList(
            nn.Sequential(BasicBlock(inputs, inside, stride), BasicBlock(inside, outputs)) for _ in range(experts)
        )
        self.gate = nn.Linear(inputs, experts)
        self.noise = nn.Linear(inputs, experts, bias=False)
        self.shortcut = None
        if inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.k = k
        self.stride = stride
        self.outputs = outputs
        self.weight = weight
        self.loss = None

    def route(self, x):
        """Weights [N, E], K of each row above zero, rows summing to one."""
        pooled = x.mean((2, 3))
        logits = self.gate(pooled)
        if self.training:
            logits = logits + torch.randn_like(logits) * F.softplus(self.noise(pooled) + 0.01)
        top, chosen = logits.topk(self.k, dim=1)
        return torch.zeros_like(logits).scatter(1, chosen, top.softmax(1))

    def forward(self, x):
        weights = self.route(x)
        importance = weights.sum(0)
        self.loss = self.weight * importance.var() / (importance.mean() ** 2 + 1e-10)

        # Each expert sees only the images that chose it; its outputs are added to their rows.
        mixed = None
        for i, expert in enumerate(self.experts):
            rows = weights[:, i].nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            y = expert(x[rows]) * weights[rows, i].view(-1, 1, 1, 1)
            if mixed is None:
                layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else None
                mixed = torch.zeros((x.shape[0], *y.shape[1:]), dtype=y.dtype, device=y.device)
                mixed = mixed if layout is None else mixed.contiguous(memory_format=layout)
            mixed = mixed.index_add(0, rows, y)
        return mixed + (x if self.shortcut is None else self.shortcut(x))


class ResNet18(nn.Module):
    def __init__(self, width, classes, moe=None):
        super().__init__()
        self.conv1 = conv(3, width, 3)
        self.bn1 = nn.BatchNorm2d(width)
        stages = []
        inputs = width
        for position in range(1, 5):
            outputs = width * 2 ** (position - 1)
            stride = 1 if position == 1 else 2
            if moe is not None and moe["position"] == position:
                inside = round(EXPERT_WIDTHS[position - 1] * width / 64)
                stages.append(ResBlockMoe(inputs, outputs, stride, inside, moe["experts"], moe["k"]))
            else:
                stages.append(nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs)))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return self.fc(self.stages(x).mean((2, 3)))

    def auxiliary_loss(self):
        losses = [stage.loss for stage in self.stages if isinstance(stage, ResBlockMoe)]
        return sum(losses) if losses else 0.0
