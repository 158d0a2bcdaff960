"""Turns a TF.js graph model (model.json and its weights) into a TensorFlow GraphDef file.

usage: tfjs.py MODEL.json OUT.pb

The topology in the JSON file is the GraphDef itself, as protobuf's JSON; only the constants' values are elsewhere.
Weights that were stored as 16-bit floats are exact in the 32-bit ones that the graph computes with.
"""
import json
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import types_pb2


def weights(path, manifest):
    arrays = {}
    for group in manifest:
        data = b"".join((path.parent / name).read_bytes() for name in group["paths"])
        at = 0
        for weight in group["weights"]:
            stored = np.dtype(weight.get("quantization", weight)["dtype"])
            if "scale" in weight.get("quantization", {}):
                sys.exit(f"{weight['name']} is quantised to integers, which is not exact")
            count = int(np.prod(weight["shape"], dtype=np.int64))
            array = np.frombuffer(data, stored, count, at).reshape(weight["shape"])
            at += count * stored.itemsize
            arrays[weight["name"]] = array.astype(weight["dtype"])
        if at != len(data):
            sys.exit(f"{path}: {len(data) - at} bytes of weights are left over")
    return arrays


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    model = json.loads(source.read_text())
    arrays = weights(source, model["weightsManifest"])
    for node in model["modelTopology"]["node"]:
        if node["op"] == "Const":
            # TF.js has no 64-bit integers; the graph may.
            declared = tf.dtypes.as_dtype(types_pb2.DataType.Value(node["attr"]["dtype"]["type"]))
            tensor = tf.make_tensor_proto(arrays.pop(node["name"]).astype(declared.as_numpy_dtype))
            node["attr"]["value"] = {"tensor": json_format.MessageToDict(tensor)}
    if arrays:
        sys.exit(f"no node has the weights {sorted(arrays)}")
    graph = json_format.ParseDict(model["modelTopology"], tf.compat.v1.GraphDef(), ignore_unknown_fields=True)
    target.write_bytes(graph.SerializeToString(deterministic=True))


main()
