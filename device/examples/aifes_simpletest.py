"""A network of three inputs and two outputs without any file: AIfES's tutorial robot."""
from aifes import Dense, Input, LeakyReLU, Sequential, Sigmoid

PARAMETERS = (
    "0700ba000400f7000300050005000000758c32a0c362a7d8170000000c00000000000000a00b0000c42a0000"
    "98fcffff05000000ddb268a4b051000009000000000000004a00000050fdffff")

net = Sequential([Input(3), Dense(3), LeakyReLU((1, 7, 0)), Dense(2), Sigmoid()])
net.load_parameters(bytes.fromhex(PARAMETERS))
model = net.schedule_inference_memory()
print(model)
for color in ((1, 0, 0), (0, 0, 0), (1, 1, 1)):  # red: stop; black: right; white: left
    print(color, model.predict(color))
