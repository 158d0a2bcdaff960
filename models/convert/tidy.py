"""Makes a converted model smaller, faster and reproducible without changing what it computes.

usage: tidy.py IN.onnx OUT.onnx [--any-batch]

- Relu(x) + (x − |x|)·c, which is how the embedding's PRelu comes out of its TFLite file, becomes one PRelu.
- --any-batch: Reshape constants and shapes that fix a batch of two take any batch.
- Producer, documentation and intermediate shapes are dropped, so that the same input gives the same bytes.
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def constants(graph):
    return {tensor.name: tensor for tensor in graph.initializer}


def fuse_prelu(graph):
    made_by = {out: node for node in graph.node for out in node.output}
    consts = constants(graph)
    fused = 0
    for add in [node for node in graph.node if node.op_type == "Add"]:
        sides = [made_by.get(name) for name in add.input]
        if None in sides or sorted(side.op_type for side in sides) != ["Mul", "Relu"]:
            continue
        relu, mul = sorted(sides, key=lambda node: node.op_type, reverse=True)
        x = relu.input[0]
        slope = [name for name in mul.input if name in consts]
        sub = [made_by.get(name) for name in mul.input if name not in consts]
        if len(slope) != 1 or len(sub) != 1 or sub[0] is None or sub[0].op_type != "Sub":
            continue
        absolute = made_by.get(sub[0].input[1])
        if sub[0].input[0] != x or absolute is None or absolute.op_type != "Abs" or absolute.input[0] != x:
            continue
        values = 2 * numpy_helper.to_array(consts[slope[0]])
        if values.ndim == 4:
            values = values[0]
        if values.ndim == 1:
            values = values.reshape(-1, 1, 1)
        name = f"prelu_{fused}_slope"
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
        prelu = helper.make_node("PRelu", [x, name], list(add.output), name=f"prelu_{fused}")
        graph.node.insert(list(graph.node).index(add), prelu)
        for node in (add, mul, sub[0], absolute, relu):
            graph.node.remove(node)
        fused += 1
    return fused


def any_batch(graph):
    consts = constants(graph)
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in consts:
            tensor = consts[node.input[1]]
            shape = numpy_helper.to_array(tensor).copy()
            if shape[0] == 2:
                shape[0] = -1
                tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    for value in list(graph.input) + list(graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def drop_unused(graph):
    used = {name for node in graph.node for name in node.input}
    keep = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(keep)


def main():
    source, target = sys.argv[1:3]
    model = onnx.load(source)
    fused = fuse_prelu(model.graph)
    if "--any-batch" in sys.argv:
        any_batch(model.graph)
    drop_unused(model.graph)
    del model.graph.value_info[:]
    model.graph.doc_string = model.doc_string = model.producer_name = model.producer_version = ""
    model.graph.name = "model"
    onnx.checker.check_model(model)
    with open(target, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    print(f"{target}: {len(model.graph.node)} nodes, {fused} PRelu fused")


main()
