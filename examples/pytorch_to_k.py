"""From an MLP trained in PyTorch to K: how many samples were enough for it?

    python examples/pytorch_to_k.py [--folder my-mlp] [--without-torch]

Trains 64-24-10 on the digits of this repository, saves samples and weights as other tools do (.npz, .safetensors),
writes a pipeline.yaml beside them, runs plateau and reads the result. To analyse your own model, keep `save`,
and replace `train_with_torch` by your own training. With --without-torch the same MLP is trained in NumPy and its weights are
written under the names of the state_dict: for machines without PyTorch.
"""

import argparse
import gzip
import json
import struct
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
HIDDEN, EPOCHS, RATE, BATCH = 24, 40, 0.05, 32


def digits():
    with gzip.open(ROOT / "data/digits.csv.gz", "rt") as rows:
        table = np.loadtxt(rows, delimiter=",")
    return (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(np.int64)


def train_with_torch(x, y):
    import torch
    from torch import nn

    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimizer.step()
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}


def train_with_numpy(x, y):
    rng = np.random.default_rng(1)
    layer = lambda n_in, n_out: rng.uniform(-1, 1, (n_out, n_in)) / np.sqrt(n_in)
    state = {"0.weight": layer(x.shape[1], HIDDEN), "0.bias": np.zeros(HIDDEN), "2.weight": layer(HIDDEN, 10), "2.bias": np.zeros(10)}
    velocity = {name: np.zeros_like(value) for name, value in state.items()}
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
            z = x[rows] @ state["0.weight"].T + state["0.bias"]
            h = np.maximum(z, 0)
            f = h @ state["2.weight"].T + state["2.bias"]
            p = np.exp(f - f.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(len(rows)), y[rows]] -= 1
            back = (p @ state["2.weight"]) * (z > 0)
            gradient = {"0.weight": back.T @ x[rows], "0.bias": back.sum(0), "2.weight": p.T @ h, "2.bias": p.sum(0)}
            for name in state:
                velocity[name] = 0.9 * velocity[name] - RATE * gradient[name] / len(rows)
                state[name] += velocity[name]
    return {name: value.astype(np.float32) for name, value in state.items()}


def mean_loss(x, y, state):
    """Cross-entropy in nats, in float64."""
    layer = lambda x, i: x @ state[f"{i}.weight"].T.astype(float) + state[f"{i}.bias"]
    f = layer(np.maximum(layer(x.astype(float), 0), 0), 2)
    return np.mean(np.logaddexp.reduce(f, axis=1) - f[np.arange(len(y)), y])


def save_safetensors(path, state):
    """What safetensors.numpy.save_file writes: the length of a JSON header, the header, the bytes."""
    header, blob = {}, b""
    for name, value in state.items():
        data = np.ascontiguousarray(value, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def save(folder, x, y, state):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "samples.npz", x=x, y=y)
    save_safetensors(folder / "weights.safetensors", state)
    # The defaults of the repository, with one experiment over them.
    defaults = (ROOT / "pipeline.yaml").read_text().split("\nexperiments:")[0]
    experiment = f"""
experiments:
  my-mlp:
    fetch-data:
      dataset: files
      files: {{train_x: samples.npz, train_y: samples.npz}}
      normalisation: {{scale: 1, mean: 0, std: 1}} # the inputs are as the network saw them
    train: {{hidden: [{HIDDEN}], weights: weights.safetensors}}
    eigen: {{prefix_smallest: 100, prefix_count: 6, precision: f64}}
    montecarlo: {{precision: f64}}
    report: {{title: "My MLP, 64-{HIDDEN}-10"}}
"""
    (folder / "pipeline.yaml").write_text(defaults + experiment)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("my-mlp"))
    parser.add_argument("--without-torch", action="store_true")
    arguments = parser.parse_args()
    x, y = digits()
    state = train_with_numpy(x, y) if arguments.without_torch else train_with_torch(x, y)
    save(arguments.folder, x, y, state)
    folder = arguments.folder.resolve()
    # Targets of the Makefile are absolute here, so the folder may lie anywhere.
    subprocess.run(
        ["make", "-C", ROOT, "my-mlp", f"PIPELINE={folder / 'pipeline.yaml'}", f"A={folder / 'artifacts'}"], check=True
    )
    results = folder / "artifacts/my-mlp"
    facts = json.loads((results / "train/manifest.json").read_text())["facts"]
    print(f"loss of the network: {mean_loss(x, y, state):.8f} nats here, {facts['train_loss']:.8f} in plateau")
    delta = np.load(results / "montecarlo/hessian-d10-s1/delta.npy")
    k = np.load(results / "montecarlo/prefix_sizes.npy")
    print(f"Delta_k falls from {delta[0]:.2e} at k = {k[0]} to {delta[-1]:.2e} nats^2 at k = {k[-1]}")
    print(json.loads((results / "report/summary.json").read_text())["headline"])
    print(f"open {results / 'report/index.html'}")


if __name__ == "__main__":
    main()
