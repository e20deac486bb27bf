"""Does V of another source, at the w* of one network, say which samples to collect? (docs/method.md, section 7)

    python examples/other_sources.py                      the embedded digits, ten seeds
    python examples/other_sources.py --dataset mnist --seeds 5

A network is trained on the classes 0 to 7. At its w* and in its directions, V and the mean loss of other sources are measured:
more of the same, the classes left out, and images that are rotated, blurred, shifted, inverted or noisy. Then it is trained again
with as many samples of each source added, by as many steps. The gain is what the test loss falls by: on that source, and on an
equal mixture of all. Printed are a table of the sources, and rank correlations (Spearman) of the predictors with the gains.
Needs NumPy and the built binaries (`cargo build --release`).
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
KEPT = 8  # the classes 0 to 7 are trained on, the others left out
# By data set: white of a pixel, mean and deviation, units of the hidden layer, samples to train on, of each source, and to test on.
SETS = {
    "digits": {"white": 16, "mean": 0.305, "std": 0.376, "hidden": [32], "base": 400, "more": 150, "test": 170},
    "mnist": {"white": 255, "mean": 0.1307, "std": 0.3081, "hidden": [64], "base": 2000, "more": 1000, "test": 2000},
}


def rotated(images, degrees):
    """Images (N, S, S), turned about their centre, by bilinear interpolation; 0 outside."""
    side = images.shape[1]
    angle, centre = np.deg2rad(degrees), (side - 1) / 2
    y, x = np.mgrid[:side, :side] - centre
    rows, columns = np.cos(angle) * y - np.sin(angle) * x + centre, np.sin(angle) * y + np.cos(angle) * x + centre
    padded = np.pad(images, ((0, 0), (side, side), (side, side)))
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = rows - top, columns - left
    at = lambda i, j: padded[:, top + i + side, left + j + side]
    return (1 - down) * ((1 - right) * at(0, 0) + right * at(0, 1)) + down * ((1 - right) * at(1, 0) + right * at(1, 1))


def blurred(images, times):
    """The mean over 3 x 3 pixels, so many times."""
    for _ in range(times):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2))
        images = windows.mean(axis=(3, 4))
    return images


def corruptions(side):
    """By name: images (N, S, S) with white 1, and a random generator, to such images."""
    return {
        "the same": lambda x, rng: x,
        "rotated by 20": lambda x, rng: rotated(x, 20),
        "rotated by 45": lambda x, rng: rotated(x, 45),
        "rotated by 90": lambda x, rng: rotated(x, 90),
        "blurred": lambda x, rng: blurred(x, side // 8),
        "shifted": lambda x, rng: np.roll(x, side // 8, axis=2),
        "inverted": lambda x, rng: 1 - x,
        "noise 0.2": lambda x, rng: x + 0.2 * rng.standard_normal(x.shape),
        "noise 0.5": lambda x, rng: x + 0.5 * rng.standard_normal(x.shape),
    }


def run_stage(binary, pipeline, experiment, artifacts):
    command = [binary, "--pipeline", pipeline, "--experiment", experiment, "--artifacts", artifacts]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{binary.name} of {experiment} failed:\n{done.stderr}")


class Runs:
    """Experiments in a folder, run by the binaries."""

    def __init__(self, folder, binaries, setup, args):
        self.folder, self.binaries, self.setup, self.args = folder, binaries, setup, args
        self.experiments = {}

    def run(self, name, stages, x, y, seed, **train):
        """Runs the stages over samples x (N, D), y (N,); a network is trained, or w* and directions of `base` are taken."""
        np.save(self.folder / f"{name}-x.npy", x)
        np.save(self.folder / f"{name}-y.npy", y)
        is_given = "weights" in train
        self.experiments[name] = {
            "fetch-data": {
                "dataset": "files",
                "files": {"train_x": f"{name}-x.npy", "train_y": f"{name}-y.npy", "test_x": None, "test_y": None},
                "classes": 10,
                "order": "file",
                "normalisation": {"scale": 1, "mean": self.setup["mean"], "std": self.setup["std"]},
            },
            "train": {"hidden": self.setup["hidden"], "steps": self.args.steps, "precision": "f64", "seed": seed, **train},
            "eigen": {
                "prefix_count": 0,
                "random_dim": 0,
                "precision": "f64",
                "residual_tolerance": 1e-3,
                "basis": "artifacts/base/eigen/basis.npy" if is_given else None,
            },
            "montecarlo": {
                "draws": self.args.draws,
                "seed": seed,
                "sweep": None,
                "grids": [],
                "pilot_sizes": [],
                "settings": [{"name": f"s{s}", "basis": "hessian", "dim": 10, "sigma": s} for s in self.args.sigmas],
            },
        }
        pipeline = self.folder / "pipeline.yaml"
        text = {"defaults_from": str(ROOT / "pipeline.yaml"), "experiments": self.experiments}
        pipeline.write_text(json.dumps(text))
        for stage in stages:
            run_stage(self.binaries / stage, pipeline, name, self.folder / "artifacts")
        return self.folder / "artifacts" / name

    def losses(self, artifacts, x, y):
        """Losses of x (N, D), y (N,) of the trained network, in NumPy."""
        with np.load(artifacts / "train/weights.npz") as weights:
            h = (x - self.setup["mean"]) / self.setup["std"]
            h = np.maximum(h @ weights["W1"].T + weights["b1"], 0) @ weights["W2"].T + weights["b2"]
        top = h.max(axis=1, keepdims=True)
        return np.log(np.exp(h - top).sum(axis=1)) + top[:, 0] - h[np.arange(len(y)), y]


def images_of(dataset, args, setup):
    """All images of a known data set, (N, S, S) with white 1, and their classes."""
    with tempfile.TemporaryDirectory() as folder:
        # pipeline.yaml has an experiment of this name, over all samples.
        run_stage(args.binaries.resolve() / "fetch-data", ROOT / "pipeline.yaml", dataset, folder)
        both = [[np.load(f"{folder}/{dataset}/fetch-data/{split}_{what}.npy") for split in ("train", "test")] for what in ("images", "labels")]
    x, y = (np.concatenate(parts) for parts in both)
    side = int(np.sqrt(x.shape[1]))
    return x.reshape(-1, side, side) / setup["white"], y.astype(np.int64)


def sources_of(x, y, others, setup, rng):
    """(base, sources): samples to train on, and by name (more, test), each a pair of rows (N, D) and classes."""
    order = rng.permutation(len(x))
    kept, left_out = order[y[order] < KEPT], order[y[order] >= KEPT]
    base, more, test = np.split(kept[: setup["base"] + setup["more"] + setup["test"]], [setup["base"], setup["base"] + setup["more"]])
    both = lambda images, rows, change=lambda x, rng: x: (change(images[rows], rng).reshape(len(rows), -1), y[rows])
    sources = {name: (both(x, more, change), both(x, test, change)) for name, change in corruptions(x.shape[1]).items()}
    split = lambda rows: (rows[: setup["more"]], rows[setup["more"] : setup["more"] + setup["test"]])
    sources["classes left out"] = tuple(both(x, rows) for rows in split(left_out))
    for name, (images, classes) in others.items():
        rows = rng.permutation(len(images))
        sources[name] = tuple((images[r].reshape(len(r), -1), classes[r]) for r in split(rows))
    return both(x, base), sources


def ranks(values):
    """Ranks from 0; ties are not expected of measured numbers."""
    return np.argsort(np.argsort(values))


def spearman(a, b):
    return np.corrcoef(ranks(a), ranks(b))[0, 1]


def measure(runs, base, sources, seed, sigmas):
    """By source: V at each sigma, mean loss at w*, gain on the source, gain on the mixture. (sources, 3 + sigmas)"""
    stages = ["fetch-data", "train", "eigen", "montecarlo"]
    first = runs.run("base", stages[:3], *base, seed)
    before = np.array([runs.losses(first, *test).mean() for _, test in sources.values()])
    rows = []
    for i, (more, _) in enumerate(sources.values()):
        given = runs.run(f"source-{i}", stages, *more, seed, weights="artifacts/base/train/w_star.npy", steps=None)
        v = [np.load(given / f"montecarlo/s{sigma}/loss_variance.npy").mean() for sigma in sigmas]
        both = [np.concatenate(parts) for parts in zip(base, more)]
        again = runs.run(f"with-{i}", stages[:2], *both, seed)
        after = np.array([runs.losses(again, *test).mean() for _, test in sources.values()])
        rows.append([*v, runs.losses(first, *more).mean(), before[i] - after[i], (before - after).mean()])
    return np.array(rows)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", choices=SETS, default="digits")
    parser.add_argument("--seeds", type=int, default=10, help="networks and splits of the samples")
    parser.add_argument("--steps", type=int, default=1000, help="of the optimizer in every training")
    parser.add_argument("--draws", type=int, default=256)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[1.0, 0.1], help="parameter units")
    parser.add_argument("--binaries", type=Path, default=ROOT / "target" / "release")
    return parser.parse_args()


def main():
    args = arguments()
    setup = SETS[args.dataset]
    x, y = images_of(args.dataset, args, setup)
    others = {"fashion": images_of("fashion-mnist", args, setup)} if args.dataset == "mnist" else {}
    found = []
    for seed in range(1, args.seeds + 1):
        base, sources = sources_of(x, y, others, setup, np.random.default_rng(seed))
        with tempfile.TemporaryDirectory() as folder:
            runs = Runs(Path(folder), args.binaries.resolve(), setup, args)
            found.append(measure(runs, base, sources, seed, args.sigmas))
    found = np.array(found)
    predictors = [f"V, σ = {sigma:g}" for sigma in args.sigmas] + ["mean loss at w*"]
    print("| source | " + " | ".join([*predictors, "gain on it", "gain on the mixture"]) + " |")
    print("|---" * (found.shape[2] + 1) + "|")
    for name, row in sorted(zip(sources, found.mean(axis=0)), key=lambda pair: -pair[1][-1]):
        print(f"| {name} | " + " | ".join(f"{value:.3g}" for value in row) + " |")
    print(f"\nSpearman's rank correlation over {len(sources)} sources, mean over seeds ({args.seeds}) ± standard error:\n")
    print("| predictor | gain on the source | gain on the mixture |\n|---|---|---|")
    of = lambda i, gain: [spearman(table[:, i], table[:, gain]) for table in found]
    cell = lambda all: f"{np.mean(all):.2f}" + (f" ± {np.std(all, ddof=1) / np.sqrt(len(all)):.2f}" if len(all) > 1 else "")
    for i, name in enumerate(predictors):
        print(f"| {name} | {cell(of(i, -2))} | {cell(of(i, -1))} |")
    loss = len(predictors) - 1
    for i, name in enumerate(predictors[:-1]):
        less = [np.subtract(of(i, gain), of(loss, gain)) for gain in (-2, -1)]
        print(f"| {name}, less that of the mean loss | {cell(less[0])} | {cell(less[1])} |")


if __name__ == "__main__":
    main()
