"""Features of a vision transformer, frozen, and a small head: from training to K, in PyTorch.

    python examples/vit_features.py [--features my/features.npz] [--epochs 40] [--draws 512] [--report vit-report]

Reference [6] of the paper trains fully connected heads on features of a frozen vision transformer. `my/features.npz` has x (N, D), the
features, and y (N,), classes from 0. Made with a pretrained model of the package transformers, for images (N, 3, 224, 224):

    model = transformers.ViTModel.from_pretrained("google/vit-base-patch16-224").eval()
    with torch.no_grad():
        x = torch.cat([model(pixel_values=batch).pooler_output for batch in images.split(64)])
    np.savez("my/features.npz", x=x.numpy(), y=labels)

Without a file, a small transformer is trained on one half of the digits of this repository and frozen; the features are those of the other
half. Only the head moves: K is about its weights. It needs `pip install ./python torch`, and the programs of plateau.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import torch
from torch import nn

import plateau.torch

ROOT = Path(__file__).resolve().parent.parent


class SmallViT(nn.Module):
    """Patches of 2 × 2 pixels of an image of 8 × 8, two blocks, the mean over the patches."""

    def __init__(self, width=32):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.place = nn.Parameter(0.1 * torch.randn(16, width))
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True, norm_first=True) for _ in range(2))
        )

    def forward(self, images):
        return self.blocks(self.patches(images).flatten(2).transpose(1, 2) + self.place).mean(1)


def fit(model, x, y, epochs):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 2e-3)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval()


def own_features(epochs):
    with gzip.open(ROOT / "data/digits.csv.gz", "rt") as rows:
        table = np.random.default_rng(1).permutation(np.loadtxt(rows, delimiter=","))
    x = torch.from_numpy(table[:, :-1].reshape(-1, 1, 8, 8).astype(np.float32) / 16)
    y = torch.from_numpy(table[:, -1].astype(np.int64))
    half = len(x) // 2
    encoder = SmallViT()
    fit(nn.Sequential(encoder, nn.Linear(32, 10)), x[:half], y[:half], epochs)
    with torch.no_grad():
        return encoder(x[half:]), y[half:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--draws", type=int, default=512)
    parser.add_argument("--report", type=Path, default=Path("vit-report"))
    arguments = parser.parse_args()
    torch.manual_seed(0)
    if arguments.features is None:
        x, y = own_features(arguments.epochs)
    else:
        with np.load(arguments.features) as archive:
            x, y = torch.from_numpy(archive["x"].astype(np.float32)), torch.from_numpy(archive["y"].astype(np.int64))
    head = nn.Sequential(nn.Linear(x.shape[1], 32), nn.GELU(), nn.Linear(32, int(y.max()) + 1))
    fit(head, x, y, arguments.epochs)

    loss = nn.CrossEntropyLoss(reduction="none")  # one loss per sample, in nats
    # With derivatives, the report also compares the theories with Δ_k.
    losses = plateau.torch.losses(head, loss, (x, y), dim=10, sigma=0.1, draws=arguments.draws, derivatives=True)
    print(f"head of {len(losses.weights):,} parameters on {x.shape[1]} features, eigenvalues {losses.eigenvalues[0]:.3g} to {losses.eigenvalues[-1]:.3g}")
    print(plateau.sufficient(losses, tolerances=[1e-6, 1e-8], report=arguments.report, title="A head on frozen features"))


if __name__ == "__main__":
    main()
