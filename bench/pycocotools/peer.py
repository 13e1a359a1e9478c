"""Times pycocotools on two files: peer.py ANNOTATIONS DETECTIONS prints one line of JSON, times in seconds."""
import contextlib
import io
import json
import sys
import time

from importlib.metadata import version
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

with contextlib.redirect_stdout(io.StringIO()):
    start = time.perf_counter()
    truth = COCO(sys.argv[1])
    detections = truth.loadRes(sys.argv[2])
    read = time.perf_counter()
    evaluation = COCOeval(truth, detections, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    end = time.perf_counter()

print(json.dumps({
    "version": version("pycocotools"),
    "reading": read - start,
    "evaluating": end - read,
    "stats": evaluation.stats.tolist(),
}))
