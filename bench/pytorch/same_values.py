"""Trains the plain network from given first values on given batches, and answers each batch with its loss.

    python same_values.py '{"width": 8, "classes": 100, "precision": "float64", "rate": 0.001, "threads": 1}'

stdin: a line of JSON with the names and shapes of the values, then their bytes (float32); then for each step a line of
JSON with the shape of the images, their bytes (float32) and those of the labels (int64).
"""

import json
import math
import re
import sys

try:
    import torch
except ImportError:
    sys.exit("this Python has no torch; give --python one that has")
from torch.nn import functional as F

from network import ResNet18


def peer_name(name):
    """The name in network.py of a value that Moiety calls e.g. layer2.0.downsample.1.weight."""
    name = re.sub(r"^layer(\d)", lambda found: f"stages.{int(found[1]) - 1}", name)
    return name.replace("downsample", "shortcut")


def read(count, dtype):
    size = torch.empty(0, dtype=dtype).element_size()
    content = sys.stdin.buffer.read(count * size)
    if len(content) < count * size:
        sys.exit(0)
    return torch.frombuffer(bytearray(content), dtype=dtype)


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(case["threads"])
    precision = getattr(torch, case["precision"])
    network = ResNet18(case["width"], case["classes"]).to(precision).train()
    state = network.state_dict()
    begun = {name for name in state if not name.endswith("num_batches_tracked")}
    for value in json.loads(sys.stdin.buffer.readline()):
        tensor = read(math.prod(value["shape"]), torch.float32).reshape(value["shape"])
        name = peer_name(value["name"])
        if name not in begun:
            sys.exit(f"{value['name']} of Moiety is {name} here, which is not in the network or came twice")
        if state[name].shape != tensor.shape:
            sys.exit(f"{name}: expected {tuple(state[name].shape)}, came {tuple(tensor.shape)}")
        begun.remove(name)
        state[name].copy_(tensor)
    if begun:
        sys.exit(f"no value came for {sorted(begun)}")
    optimizer = torch.optim.Adam(network.parameters(), lr=case["rate"])
    for line in sys.stdin.buffer:
        shape = json.loads(line)["images"]
        images = read(math.prod(shape), torch.float32).reshape(shape).to(precision)
        labels = read(shape[0], torch.int64)
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        print(json.dumps({"loss": loss.item()}), flush=True)


main()
