"""An ONNX graph that is easy to rewrite: weights as float64 arrays, nodes found by what they make and use."""
import numpy as np
import onnx
from onnx import helper, numpy_helper


class Graph:
    """Node order is kept topological by putting replacements where the replaced node was."""

    def __init__(self, model):
        self.model = model
        self.nodes = list(model.graph.node)
        self.weights = {}
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            self.weights[tensor.name] = array.astype(np.float64) if array.dtype == np.float32 else array
        self.count = 0

    def every(self, op_type):
        return [node for node in self.nodes if node.op_type == op_type]

    def maker(self, name):
        return next((node for node in self.nodes if name in node.output), None)

    def users(self, name):
        return [node for node in self.nodes if name in node.input]

    def leaves(self, name):
        """Does the tensor leave the convolutional part of the network?"""
        users = self.users(name)
        return not users or any(user.op_type in ("Transpose", "Reshape") for user in users)

    def fresh(self):
        self.count += 1
        return f"t{self.count}"

    def weight(self, array):
        name = f"w{self.fresh()[1:]}"
        self.weights[name] = np.asarray(array)
        return name

    def node(self, op_type, inputs, output, **attributes):
        return helper.make_node(op_type, inputs, [output], **attributes)

    def conv(self, x, weight, bias, output, group=1, like=None):
        """A convolution with stride and padding of `like`, or a 1×1 one."""
        inputs = [x, self.weight(weight)] + ([] if bias is None else [self.weight(bias)])
        node = self.node("Conv", inputs, output)
        if like is not None:
            node.attribute.extend(like.attribute)
        else:
            node.attribute.extend([helper.make_attribute("kernel_shape", [1, 1]), helper.make_attribute("group", group)])
        return node

    @staticmethod
    def get(node, name, default=None):
        return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)

    @staticmethod
    def set(node, name, value):
        for attribute in node.attribute:
            if attribute.name == name:
                attribute.CopyFrom(helper.make_attribute(name, value))

    def group(self, conv):
        return self.get(conv, "group", 1)

    def pointwise(self, conv):
        """Is it a 1×1 convolution of all channels, with stride 1?"""
        one = self.weights[conv.input[1]].shape[2:] == (1, 1) and self.get(conv, "strides", [1, 1]) == [1, 1]
        return one and self.group(conv) == 1

    def channels(self, name):
        """How many channels a tensor inside the network has."""
        node = self.maker(name)
        if node.op_type == "Conv":
            return self.weights[node.input[1]].shape[0]
        if node.op_type == "Concat":
            return sum(self.channels(part) for part in node.input)
        if node.op_type == "Add":
            return max(self.channels(part) for part in node.input if self.maker(part).op_type != "Pad")
        return self.channels(node.input[0])

    def replace(self, old, new):
        at = self.nodes.index(old)
        self.nodes[at : at + 1] = new

    def remove(self, node):
        self.nodes.remove(node)

    def bypass(self, node):
        """Removes a node that changes nothing: its users take its input."""
        for user in self.users(node.output[0]):
            for index, name in enumerate(user.input):
                if name == node.output[0]:
                    user.input[index] = node.input[0]
        self.remove(node)

    def drop_unused(self):
        """Removes nodes and weights that nothing needs."""
        needed = {value.name for value in self.model.graph.output}
        kept = []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.weights = {name: array for name, array in self.weights.items() if name in needed}

    def save(self, path):
        """Writes the model, without anything that differs from one run to the next."""
        self.drop_unused()
        graph = self.model.graph
        names = {}  # short names, in order of use
        ends = {value.name for value in list(graph.input) + list(graph.output)}
        for node in self.nodes:
            for name in [*node.input, *node.output]:
                if name not in ends:
                    names.setdefault(name, f"{'w' if name in self.weights else 't'}{len(names)}")
        nodes = []
        for number, node in enumerate(self.nodes):
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            inputs, outputs = ([names.get(name, name) for name in side] for side in (node.input, node.output))
            nodes.append(helper.make_node(node.op_type, inputs, outputs, name=f"n{number}", **attributes))
        weights = []
        for name, short in names.items():
            if name in self.weights:
                array = self.weights[name]
                array = array.astype(np.float32) if array.dtype == np.float64 else array
                weights.append(numpy_helper.from_array(np.ascontiguousarray(array), short))
        new = helper.make_graph(nodes, "model", graph.input, graph.output, weights)
        model = helper.make_model(new, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        with open(path, "wb") as file:
            file.write(model.SerializeToString(deterministic=True))
        print(f"{path}: {len(nodes)} operators, {sum(a.size for a in self.weights.values())} numbers")
