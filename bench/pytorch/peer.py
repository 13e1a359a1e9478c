"""Times training steps, or inference, of PyTorch when told to.

    python peer.py '{"width": 64, "batch": 128, ...}'

Reads one number of runs a line from stdin and answers each with one line of JSON: the seconds of every run, and the
most memory that the process has had, in bytes; or, as `failure`, why it ends (a graphics card without enough memory).
The first line of the output says what runs: versions, threads, number of parameters.
"""

import json
import resource
import sys
import time

import torch
from torch.nn import functional as F

from network import ResNet18


def make_optimizer(name, parameters):
    if name == "adam":
        return torch.optim.Adam(parameters, lr=1e-3)
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)


def main():
    case = json.loads(sys.argv[1])
    torch.manual_seed(0)
    torch.set_num_threads(case["threads"])
    # Without a graphics card, the processor; the first line of the output says which.
    device = torch.device("cuda" if case.get("device") == "cuda" and torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = case.get("tf32", False)
    layout = torch.channels_last if case["channelsLast"] else torch.contiguous_format
    network = ResNet18(case["width"], case["classes"], case["moe"]).to(device, memory_format=layout).train()
    optimizer = make_optimizer(case["optimizer"], network.parameters())
    images = torch.randn(case["batch"], 3, case["size"], case["size"]).contiguous(memory_format=layout)
    labels = torch.randint(0, case["classes"], (case["batch"],))

    def step():
        optimizer.zero_grad(set_to_none=True)
        # As in a training, a batch comes from the host; `item` waits for the device.
        logits = network(images.to(device))
        task = F.cross_entropy(logits, labels.to(device), label_smoothing=case["labelSmoothing"])
        loss = task + network.auxiliary_loss()
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def infer():
        return network(images.to(device))

    run = step
    if case["task"] == "inference":
        network.eval()
        run = infer

    say(
        {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
        }
    )
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        say({"seconds": seconds, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})


def say(answer):
    print(json.dumps(answer), flush=True)


try:
    main()
except Exception as error:
    say({"failure": f"{type(error).__name__}: {error}"})
    raise
