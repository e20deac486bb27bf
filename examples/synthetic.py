"""Any number of synthetic images, 784 bytes each, for `make scale`: ten random prototypes, dimmed and with noise.

    python examples/synthetic.py 2000000 data/synthetic

Writes data/synthetic/x.npy (N, 784) u8 and y.npy (N,) u8, ten thousand rows at a time, so memory does not grow with N.
"""

import sys
from pathlib import Path

import numpy as np

ROWS = 10_000

n, folder = int(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(1)
prototypes = rng.integers(0, 256, (10, 784)) * (rng.random((10, 784)) < 0.2)  # a fifth of the pixels lit, as in MNIST
y = rng.integers(0, 10, n, dtype=np.uint8)
np.save(folder / "y.npy", y)
x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (n, 784))
for begin in range(0, n, ROWS):
    labels = y[begin : begin + ROWS]
    light = rng.uniform(0.3, 1, (len(labels), 1))
    noise = rng.integers(0, 32, (len(labels), 784))
    x[begin : begin + ROWS] = np.minimum(prototypes[labels] * light + noise, 255)
    x.flush()
