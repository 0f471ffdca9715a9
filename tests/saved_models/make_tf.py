"""Make the files of this folder: README.md. Run in it, in an environment of its own."""
import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow import keras

L = keras.layers


def random_weights(model):
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.weights and not isinstance(layer, L.Normalization):
            layer.set_weights([
                abs(rng.normal(size=w.shape)) + .1 if "variance" in v.name
                else rng.normal(size=w.shape) * .5
                for w, v in zip(layer.get_weights(), layer.weights)])


normalization = L.Normalization()
normalization.adapt(np.random.default_rng(0).normal(size=(100, 6)) * 3 + 2)
sequential = keras.Sequential([
    keras.Input((2, 3)), L.Flatten(), normalization, L.Dense(10), L.BatchNormalization(),
    L.LeakyReLU(0.2), L.Dropout(.2), L.Dense(7, activation="elu"), L.Dense(4, use_bias=False),
    L.Softmax()], name="seq2")
i = keras.Input((5,))
h = L.Rescaling(1 / 4, -0.5)(i)
h = L.Dense(8, activation=L.LeakyReLU(0.15))(h)
h = L.ReLU(negative_slope=.1)(L.BatchNormalization(scale=False)(h))
functional = keras.Model(i, L.Activation("softsign")(L.Dense(2)(h)), name="func2")

for model in (sequential, functional):
    random_weights(model)
    model.save(model.name + ".h5")
    model.save(model.name + ".keras")
    x = np.random.default_rng(5).normal(size=(20,) + model.input_shape[1:]).astype("f")
    np.savez(model.name + ".npz", x=x, y=model.predict(x, verbose=0))
    tf2onnx.convert.from_keras(
        model, input_signature=[tf.TensorSpec((None,) + model.input_shape[1:], tf.float32,
                                              name="x")],
        opset=17, output_path=model.name + ".onnx")
