"""Makes the converted NanoDet a detector of people only, with one pair of outputs; what it computes for people stays.

usage: person.py IN.onnx OUT.onnx

Paddings become the convolutions' own; of the 80 classes only `person` (the first) is computed; the three scales are
one list. Weights are kept as the 16-bit floats that they are in the original, which halves the file: ONNX Runtime makes
them 32-bit ones when it loads the model, exactly.
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

CLASSES, BOX_VALUES = 80, 44
SMALL = 1024  # weights with fewer numbers are kept as they are


def attributes(node):
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def main():
    source, target = sys.argv[1:]
    model = onnx.load(source)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    heads = [node.input[0] for node in model.graph.node if node.op_type == "Split"]
    # The finest scale first: the largest tensor comes last in the graph.
    heads = [makers[name] for name in heads][::-1]
    cells = [2704, 676, 169]
    nodes, used, names = [], {}, {}

    def short(name):
        return names.setdefault(name, f"t{len(names)}")

    def weight(array, name=None):
        key = name or f"made{len(used)}"
        used[key] = array
        return key

    def take(name):
        """Adds what makes a tensor, once, and tells its new name."""
        if name == model.graph.input[0].name:
            return "input"
        if name in names:
            return names[name]
        node = makers[name]
        values = attributes(node)
        if node.op_type in ("Conv", "MaxPool"):
            data, kernel = node.input[0], [weights[one] for one in node.input[1:]]
            pad = makers.get(data)
            if pad is not None and pad.op_type == "Pad":
                amounts = weights[pad.input[1]].tolist()
                fill = float(weights[pad.input[2]]) if len(pad.input) > 2 else 0.0
                if any(amounts[:2] + amounts[4:6]) or not (fill == 0 if node.op_type == "Conv" else fill < -1e30):
                    sys.exit(f"{pad.name} is no padding that a {node.op_type} can do")
                values["pads"] = amounts[2:4] + amounts[6:8]
                data = pad.input[0]
            inputs = [take(data)]
            if node in heads:
                kernel = [np.concatenate([array[:1], array[CLASSES:]]) for array in kernel]
            inputs += [weight(array) for array in kernel]
        elif node.op_type in ("LeakyRelu", "Concat", "Add"):
            inputs = [take(one) for one in node.input]
        elif node.op_type == "Resize":
            inputs = [take(node.input[0]), "", weight(weights[node.input[2]])]
        else:
            sys.exit(f"{node.op_type} was not expected")
        output = short(name)
        nodes.append(helper.make_node(node.op_type, inputs, [output], name=f"n{len(nodes)}", **values))
        return output

    lists = []
    for head, count in zip(heads, cells):
        data = take(head.output[0])
        shape = weight(np.array([1, 1 + BOX_VALUES, count], np.int64))
        lists.append(short(f"list{count}"))
        nodes.append(helper.make_node("Reshape", [data, shape], [lists[-1]], name=f"n{len(nodes)}"))
    split = weight(np.array([1, BOX_VALUES], np.int64))
    tail = [
        ("Concat", lists, ["all"], {"axis": 2}),
        ("Transpose", ["all"], ["rows"], {"perm": [0, 2, 1]}),
        ("Split", ["rows", split], ["logits", "boxes"], {"axis": 2}),
        ("Sigmoid", ["logits"], ["scores"], {}),
    ]
    nodes += [helper.make_node(op, inputs, outputs, name=f"n{len(nodes) + at}", **values)
              for at, (op, inputs, outputs, values) in enumerate(tail)]

    stored, casts = [], []
    for name, array in used.items():
        if array.dtype == np.float32 and array.size >= SMALL:
            half = array.astype(np.float16)
            if not np.array_equal(half.astype(np.float32), array):
                sys.exit(f"{name} is not made of 16-bit floats")
            stored.append(numpy_helper.from_array(half, f"{name}h"))
            casts.append(helper.make_node("Cast", [f"{name}h"], [name], name=f"c{len(casts)}", to=onnx.TensorProto.FLOAT))
        else:
            stored.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    total = sum(cells)
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        casts + nodes, "model",
        [helper.make_tensor_value_info("input", number, [1, 3, 416, 416])],
        [helper.make_tensor_value_info("scores", number, [1, total, 1]),
         helper.make_tensor_value_info("boxes", number, [1, total, BOX_VALUES])],
        stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    with open(target, "wb") as file:
        file.write(made.SerializeToString(deterministic=True))
    print(f"{target}: {len(nodes)} operators")


main()
