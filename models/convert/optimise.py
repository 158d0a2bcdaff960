"""Makes a converted model fast, small and reproducible without changing what it computes.

usage: optimise.py IN.onnx OUT.onnx

The result is plain ONNX (opset 17), for any machine. docs/models.md says what each step gains and why.
Every step is exact algebra on the weights, done in float64; only rounding differs.
"""
import sys

import numpy as np
import onnx

from graph import Graph

BLOCK = 16  # the widest block of channels that ONNX Runtime's blocked layout (NCHWc) uses; 8 divides it
COLOURS = 3


def fuse_prelu(graph):
    """Relu(x) + (x − |x|)·c, which is how the embedding's PRelu comes out of its TFLite file, becomes PRelu."""
    for add in graph.every("Add"):
        sides = [graph.maker(name) for name in add.input]
        if None in sides or sorted(side.op_type for side in sides) != ["Mul", "Relu"]:
            continue
        mul, relu = sorted(sides, key=lambda node: node.op_type)
        x = relu.input[0]
        slope = [name for name in mul.input if name in graph.weights]
        difference = [graph.maker(name) for name in mul.input if name not in graph.weights]
        if len(slope) != 1 or len(difference) != 1 or difference[0].op_type != "Sub" or difference[0].input[0] != x:
            continue
        absolute = graph.maker(difference[0].input[1])
        if absolute.op_type != "Abs" or absolute.input[0] != x:
            continue
        slopes = 2 * graph.weights[slope[0]].reshape(1, -1, 1, 1)
        graph.replace(add, [graph.node("PRelu", [x, graph.weight(slopes)], add.output[0])])


def any_batch(graph):
    """A model traced with a batch of two (the embedding: image and mirror) takes any batch."""
    ends = [*graph.model.graph.input, *graph.model.graph.output]
    if any(value.type.tensor_type.shape.dim[0].dim_value != 2 for value in ends):
        return
    for node in graph.every("Reshape"):
        shape = graph.weights[node.input[1]]
        if shape[0] == 2:
            node.input[1] = graph.weight(np.concatenate([[-1], shape[1:]]))
    for value in ends:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def drop_reshapes(graph):
    """A Reshape to (batch, C, 1, 1) of what has that shape already changes nothing."""
    for reshape in graph.every("Reshape"):
        conv, target = graph.maker(reshape.input[0]), graph.weights[reshape.input[1]]
        if conv is None or conv.op_type != "Conv" or list(target[2:]) != [1, 1]:
            continue
        if list(target[:2]) == [-1, graph.channels(conv.output[0])]:
            graph.bypass(reshape)


def merge_pointwise(graph):
    """Two 1×1 convolutions with nothing between them are one (a product of matrices), where that is less work."""
    for second in graph.every("Conv"):
        first = graph.maker(second.input[0])
        if first is None or first.op_type != "Conv" or len(graph.users(first.output[0])) != 1:
            continue
        if not graph.pointwise(first) or not graph.pointwise(second):
            continue
        (w1, b1), (w2, b2) = ([graph.weights[name] for name in conv.input[1:]] for conv in (first, second))
        w1, w2 = w1[:, :, 0, 0], w2[:, :, 0, 0]
        product = w2 @ w1
        if product.size < w1.size + w2.size:
            merged = graph.conv(first.input[0], product[:, :, None, None], w2 @ b1 + b2, second.output[0])
            graph.replace(second, [merged])
            graph.remove(first)


def wide(channels):
    return -(-channels // BLOCK) * BLOCK


def widen(graph):
    """Gives every inner tensor a multiple of BLOCK channels; the added ones are always 0.

    ONNX Runtime keeps a tensor in its blocked layout only through operators that leave the number of channels alone,
    and computes whole blocks in any case.
    """
    for conv in graph.every("Conv"):
        weight, bias = (graph.weights[name] for name in conv.input[1:])
        depthwise = graph.group(conv) == weight.shape[0]
        outputs = weight.shape[0] if graph.leaves(conv.output[0]) else wide(weight.shape[0])
        inputs = weight.shape[1] if depthwise or weight.shape[1] == COLOURS else wide(weight.shape[1])
        padded = np.zeros((outputs, inputs, *weight.shape[2:]))
        padded[: weight.shape[0], : weight.shape[1]] = weight
        conv.input[1] = graph.weight(padded)
        conv.input[2] = graph.weight(np.pad(bias, (0, outputs - len(bias))))
        if depthwise:
            graph.set(conv, "group", outputs)
    for prelu in graph.every("PRelu"):
        slope = graph.weights[prelu.input[1]]
        missing = wide(slope.shape[1]) - slope.shape[1]
        prelu.input[1] = graph.weight(np.pad(slope, ((0, 0), (0, missing), (0, 0), (0, 0)), constant_values=1))
    for pad in graph.every("Pad"):
        narrow_residual(graph, pad)


def narrow_residual(graph, pad):
    """activation(conv(x) + Pad(residual)), the Pad adding channels, without the Pad.

    Where the residual is wide enough by now, the Pad goes. Elsewhere the channels that have a residual and those that
    have none are computed apart and concatenated.
    """
    (add,) = graph.users(pad.output[0])
    (activation,) = graph.users(add.output[0])
    conv = graph.maker(next(name for name in add.input if name != pad.output[0]))
    weight, bias = (graph.weights[name] for name in conv.input[1:])
    residual = pad.input[0]
    before, after = graph.channels(residual), len(weight)
    if before == after:
        graph.bypass(pad)
        return
    nodes, halves = [], []
    for part in (slice(0, before), slice(before, after)):
        nodes.append(graph.conv(conv.input[0], weight[part], bias[part], graph.fresh(), like=conv))
        if part.start == 0:
            nodes.append(graph.node("Add", [residual, nodes[-1].output[0]], graph.fresh()))
        slopes = [graph.weight(graph.weights[name][:, part]) for name in activation.input[1:]]
        nodes.append(graph.node(activation.op_type, [nodes[-1].output[0], *slopes], graph.fresh()))
        halves.append(nodes[-1].output[0])
    nodes.append(graph.node("Concat", halves, activation.output[0], axis=1))
    graph.replace(activation, nodes)
    graph.drop_unused()


def split_prelu(graph):
    """PRelu(x) with slopes a becomes x + s·Relu(−|1 − a|·x), s = 1 where a ≤ 1 and −1 elsewhere.

    As two depthwise 1×1 convolutions, the first of which takes the Relu in and the second the sum, this stays in the
    blocked layout, in vector instructions; ONNX Runtime's PRelu does neither.
    """
    for node in graph.every("PRelu"):
        x, y = node.input[0], node.output[0]
        slope = graph.weights[node.input[1]].reshape(-1, 1, 1, 1)
        below, sign = -np.abs(1 - slope), np.where(slope <= 1, 1.0, -1.0)
        scaled, positive, signed = graph.fresh(), graph.fresh(), graph.fresh()
        graph.replace(node, [
            graph.conv(x, below, None, scaled, group=len(slope)),
            graph.node("Relu", [scaled], positive),
            graph.conv(positive, sign, None, signed, group=len(slope)),
            graph.node("Add", [x, signed], y),
        ])


def main():
    source, target = sys.argv[1:]
    graph = Graph(onnx.load(source))
    for step in (fuse_prelu, any_batch, drop_reshapes, merge_pointwise, widen, split_prelu):
        step(graph)
    graph.save(target)


main()
