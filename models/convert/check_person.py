"""Runs the TF.js model's own graph and the ONNX model on real photos: what both say of people must agree.

usage: check_person.py GRAPH.pb MODEL.onnx FOLDER_OF_PHOTOS...

Scores may differ by 0.001, box distributions must have a cosine of 0.9999 at least.
"""
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import onnxruntime
import tensorflow as tf
from PIL import Image

MEAN, SCALE = np.array([103.53, 116.28, 123.675]), np.array([57.375, 57.12, 58.395])
PHOTOS_PER_FOLDER = 30


def original(path):
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    outputs = [name + ":0" for name in ("Identity", "Identity_1", "Identity_2", "Identity_3", "Identity_4", "Identity_5")]
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    return wrapped.prune("input_1:0", outputs)


def main():
    graph, model, *folders = map(pathlib.Path, sys.argv[1:])
    run, session = original(graph), onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    largest, lowest, count, seen = 0.0, 1.0, 0, 0
    for folder in folders:
        photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        for photo in photos[:: max(1, len(photos) // PHOTOS_PER_FOLDER)]:
            picture = Image.open(photo).convert("RGB")
            picture.thumbnail((416, 416))
            data = np.zeros((1, 3, 416, 416), np.float32)
            pixels = (np.asarray(picture, np.float64)[:, :, ::-1] - MEAN) / SCALE
            data[0, :, : picture.height, : picture.width] = pixels.transpose(2, 0, 1)
            want = [one.numpy() for one in run(tf.constant(data))]
            scores, boxes = session.run(["scores", "boxes"], {"input": data})
            people = np.concatenate([one[0, :, 0] for one in want[:3]])
            edges = np.concatenate([one[0] for one in want[3:]]).astype(np.float64)
            largest = max(largest, float(np.abs(scores[0, :, 0] - people).max()))
            a, b = edges, boxes[0].astype(np.float64)
            cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
            lowest = min(lowest, float(cosine.min()))
            count, seen = count + 1, seen + int(people.max() > 0.4)
    print(f"person: {count} pictures ({seen} with a person), scores differ by {largest:.1e} at most, lowest cosine {lowest:.8f}")
    if count == 0 or largest > 0.001 or lowest < 0.9999:
        sys.exit("the ONNX model and the original differ")


main()
