# SPDX-License-Identifier: Apache-2.0
"""A Keras model with low-pass recurrent layers, trained on a toy task. Needs 'edge-lp[train]'.

The task: which of two tones of a noisy sequence came last? Prints the loss and the accuracy.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from edge_lp_train.layers import LowPassRNN

keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
n, steps = 256, 30
x = rng.normal(0, 0.3, (n, steps, 2)).astype("float32")
y = rng.integers(0, 2, n)
for i, last in enumerate(y):
    first, second = sorted(rng.choice(np.arange(2, steps - 8), 2, replace=False))
    x[i, first : first + 4, 1 - last] += 2
    x[i, second : second + 4, last] += 2

model = keras.Sequential(
    [
        keras.Input((None, 2)),
        LowPassRNN(24, alpha=0.8, return_sequences=True),
        LowPassRNN(24, alpha=0.9),
        keras.layers.Dense(2),
    ]
)
model.compile(
    keras.optimizers.Adam(1e-2),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(x, y, epochs=8, batch_size=32, verbose=0).history
print(f"loss {history['loss'][0]:.2f} -> {history['loss'][-1]:.2f}")
print(f"accuracy {100 * history['accuracy'][-1]:.0f} %")
