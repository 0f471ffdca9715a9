"""Networks with images by hand, against other layers, and what they refuse."""
from array import array

import cases
from aifes import (
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool2D,
    ModelError,
    ReLU,
    Sequential,
)

W = array("b", [1, -2, 3, 4, 0, 5, -6, 7])  # [2][2][1][2], or channels first [2][2][2][1]
B = array("i", [8, -16])


def steps(**more):
    return Conv1D(2, 2, weights=W, bias=B, weights_q=(3, 1), result_q=(4, -5), **more)


def test_int8_by_hand():
    """Each result is that of a Dense on the window."""
    x = array("b", [1, 2, -3, 4, 50, -60])
    for first in (False, True):
        net = Sequential([Input((3, 1, 2), (5, 7)), steps(channels_first=first), ReLU()])
        order = (0, 2, 1, 3, 4, 6, 5, 7) if first else range(8)
        dense = Sequential([Input(4, (5, 7)), Dense(2, array("b", [W[k] for k in order]), B, (3, 1),
                                                    (4, -5), True), ReLU()])
        one = dense.schedule_inference_memory()
        want = array("b")
        for at in (0, 2):
            want.extend(cases.run_int8(one, x[at:at + 4]))
        arena = bytearray(net.inference_memory_size())
        model = net.schedule_inference_memory(arena)
        assert model.output_shape == (2, 1, 2) and model.input_shape == (3, 1, 2)
        y = array("b", bytes(4))
        model.run(x, y)
        assert y == want, (first, y, want)


def test_int8_pools_and_flatten():
    dense = Dense(1, array("b", [1, 2, 3, 4]), array("i", [0]), (0, 0), (0, 0))
    net = Sequential([Input((2, 4, 2), (0, 0)), MaxPool2D((2, 2)), Flatten(True), dense])
    x = array("b", [1, 2, 9, 1, -5, -6, -7, -8, 3, 0, 1, 1, -9, -9, -9, -1])
    y = array("b", [0])
    net.schedule_inference_memory().run(x, y)
    assert y[0] == 1 * 9 + 2 * -5 + 3 * 2 + 4 * -1
    net = Sequential([Input((2, 4, 2), (0, 3)), AvgPool2D((2, 2))])
    y = array("b", bytes(4))
    net.schedule_inference_memory().run(x, y)
    assert list(y) == [4, 1, -7, -6]  # 14 / 4, 4 / 4, -30 / 4, -24 / 4: halves up, of q - 3 as well


def test_what_is_refused():
    image = Input((4, 4, 2), (0, 0))
    for layers, part in (([image, Conv2D(2, 5)], "larger than its input"),
                         ([Input(4, (0, 0)), Conv2D(2, 1)], "takes an image"),
                         ([image, Conv2D(2, 3)], "no parameters yet"),
                         ([image, BatchNorm()], "float32"),
                         ([Input((3, 1, 2), (5, 7)), steps(), Flatten(True)], "Dense after it")):
        assert part in cases.raises(ModelError, Sequential(layers).to_bytes), part
    for net in ([image, BatchNorm()], [image, Conv2D(1, 2)]):
        assert "yet" in cases.raises(ModelError, Sequential(net, dtype="f").to_bytes)
        assert "int8" in cases.raises(ModelError, Sequential(net).parameter_memory_size)
    assert "takes 8 weights" in cases.raises(ModelError, Sequential(
        [Input((3, 1, 3), (5, 7)), steps()]).to_bytes).replace("12", "8")
    for wrong in (0, -1, (1,), 1.5, 256, "3"):
        assert "(rows, columns)" in cases.raises(ModelError, Conv2D, 2, wrong)
        assert "(rows, columns)" in cases.raises(ModelError, MaxPool2D, wrong)
    assert "smaller" in cases.raises(ModelError, MaxPool2D, 2, None, 2)
