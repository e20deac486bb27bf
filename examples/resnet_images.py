"""A residual network on your own images, from training to K, in PyTorch.

    python examples/resnet_images.py [--images my/images.npz] [--epochs 15] [--draws 256] [--report resnet-report]

`my/images.npz` has x (N, channels, height, width), numbers of any scale, and y (N,), classes from 0; without it, the digits of this
repository are taken. The network has batch normalisation: it is trained with it and looked at in evaluation mode, where the averages
of training are constants. It needs `pip install ./python torch`, and the programs of plateau (`make quick` builds them).
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import torch
from torch import nn

import plateau.torch

ROOT = Path(__file__).resolve().parent.parent


class Block(nn.Module):
    """Two convolutions with batch normalisation, and a way past them."""

    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        convolution = lambda a, b, s: nn.Sequential(nn.Conv2d(a, b, 3, s, 1, bias=False), nn.BatchNorm2d(b))
        self.first, self.second = convolution(n_in, n_out, stride), convolution(n_out, n_out, 1)
        self.past = nn.Identity() if (n_in, stride) == (n_out, 1) else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, h):
        return torch.relu(self.past(h) + self.second(torch.relu(self.first(h))))


def resnet(channels, classes, width=8):
    return nn.Sequential(
        Block(channels, width), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes),
    )


def images(path):
    if path is None:
        with gzip.open(ROOT / "data/digits.csv.gz", "rt") as rows:
            table = np.loadtxt(rows, delimiter=",")
        # The order of the samples is that in which they arrive: here, any.
        table = np.random.default_rng(1).permutation(table)
        return table[:, :-1].reshape(-1, 1, 8, 8).astype(np.float32) / 16, table[:, -1].astype(np.int64)
    with np.load(path) as archive:
        x, y = archive["x"].astype(np.float32), archive["y"].astype(np.int64)
    axes = (0, 2, 3)
    return (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True), y


def train(model, x, y, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--draws", type=int, default=256)
    parser.add_argument("--report", type=Path, default=Path("resnet-report"))
    arguments = parser.parse_args()
    torch.manual_seed(0)
    x, y = (torch.from_numpy(part) for part in images(arguments.images))
    model = resnet(x.shape[1], int(y.max()) + 1)
    train(model, x, y, arguments.epochs)

    model.eval()  # without it, plateau refuses: batch normalisation would couple the samples
    loss = nn.CrossEntropyLoss(reduction="none")  # one loss per sample, in nats
    top = plateau.torch.directions(model, loss, (x, y), dim=10)
    # Draws that raise the loss by about 0.1 nats: σ² Σλ / 2 = 0.1.
    sigma = float(np.sqrt(0.2 / top.eigenvalues.sum()))
    losses = plateau.torch.losses(model, loss, (x, y), directions=top, sigma=sigma, draws=arguments.draws)
    print(f"{len(losses.weights):,} parameters, eigenvalues {top.eigenvalues[0]:.3g} to {top.eigenvalues[-1]:.3g}, sigma {sigma:.3g}")
    print(plateau.sufficient(losses, tolerances=[1e-6, 1e-8], report=arguments.report, title="A residual network"))


if __name__ == "__main__":
    main()
