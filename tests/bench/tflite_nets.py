"""Train small convolutional nets and convert them to int8 by TensorFlow Lite: what tflite.py reads.

    python tflite_nets.py FOLDER     with tensorflow; FOLDER/data.npz holds the samples

Writes for each net NAME.keras and NAME.npz: the outputs of the samples of `test`, by Keras in
float and by TensorFlow Lite in int8, which was calibrated with the samples of `calibration`.
"""
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras import layers

# the reference of TensorFlow Lite's arithmetic, not what a faster backend makes of it
KERNELS = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def plain(x):
    """Convolutions, pooling, dense layers."""
    y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = layers.MaxPooling2D(2)(y)
    y = layers.Conv2D(16, 3, padding="same", activation="relu")(y)
    y = layers.Flatten()(layers.AveragePooling2D(2)(y))
    y = layers.Dense(24, activation="relu")(y)
    return layers.Dense(10, activation="softmax")(y)


def normalized(y, kernel=None, outputs=None, stride=1, relu=True):
    """A convolution, depthwise without outputs, batch normalization, ReLU."""
    options = {"strides": stride, "padding": "same", "use_bias": False}
    if outputs:
        y = layers.Conv2D(outputs, kernel, **options)(y)
    else:
        y = layers.DepthwiseConv2D(kernel, **options)(y)
    y = layers.BatchNormalization(momentum=0.9)(y)
    return layers.ReLU()(y) if relu else y


def separable(x):
    """As MobileNet: depthwise and pointwise convolutions, each normalized."""
    y = normalized(x, 3, 12)
    for outputs, stride in ((16, 1), (24, 2), (24, 1)):
        y = normalized(normalized(y, 3, stride=stride), 1, outputs)
    return layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(y))


def residual(x):
    """As ResNet: sums of two branches."""
    y = normalized(layers.Rescaling(1 / 255)(x), 3, 8)
    for outputs, stride in ((8, 1), (16, 2)):
        branch = normalized(normalized(y, 3, outputs, stride), 3, outputs, relu=False)
        if stride > 1:
            y = layers.Conv2D(outputs, 1, strides=stride, padding="same")(y)
        y = layers.ReLU()(layers.Add()([branch, y]))
    return layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(y))


def motion(x):
    """Along time."""
    y = x
    for outputs in (8, 16):
        y = layers.Conv1D(outputs, 5, activation="relu")(y)
        y = layers.MaxPooling1D(2)(y)
    y = layers.Conv1D(24, 3, activation="relu")(y)
    y = layers.GlobalAveragePooling1D()(y)
    return layers.Dense(5, activation="softmax")(y)


def autoencoder(x):
    """An image through a few numbers, and back."""
    y = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(y)
    y = layers.Conv2DTranspose(12, 3, strides=2, padding="same", activation="relu")(y)
    return layers.Conv2DTranspose(1, 3, strides=2, padding="same")(y)


NETS = {"plain": plain, "separable": separable, "residual": residual, "motion": motion,
        "autoencoder": autoencoder}
EPOCHS, BATCH = 20, 64


def trained(name, x, y):
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    given = keras.Input(x.shape[1:])
    model = keras.Model(given, NETS[name](given))
    loss = "mse" if y.ndim > 1 else "sparse_categorical_crossentropy"
    steps = EPOCHS * -(-len(x) // BATCH)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, steps)), loss)
    model.fit(x, y, BATCH, EPOCHS, verbose=0)
    return model


def converted(model, samples):
    """The .tflite file: everything in int8, inputs and outputs too."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def run(model, samples):
    """Its outputs, in real numbers."""
    net = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=KERNELS)
    given, found = net.get_input_details()[0], net.get_output_details()[0]
    net.resize_tensor_input(given["index"], samples.shape)
    net.allocate_tensors()
    scale, zero = given["quantization"]
    q = np.clip(np.round(samples / scale) + zero, -128, 127).astype(np.int8)
    net.set_tensor(given["index"], q)
    net.invoke()
    scale, zero = found["quantization"]
    return scale * (net.get_tensor(found["index"]).astype(float) - zero)


def main(folder):
    data = np.load(folder / "data.npz")
    for name in NETS:
        x, y, calibration, test = [data[f"{name}_{what}"] for what in (
            "x", "y", "calibration", "test")]
        model = trained(name, x, y)
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", real=model.predict(test, verbose=0),
                 int8=run(converted(model, calibration), test))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
