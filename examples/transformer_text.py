"""A transformer block on text, from training to K, in JAX.

    python examples/transformer_text.py [--text my.txt] [--steps 400] [--draws 256] [--report text-report]

Without a text, the pages of this repository are read. A sample is a window of 33 characters: its loss is the mean cross-entropy, in
nats, of each character given those before it. K counts windows. It needs `pip install ./python jax`, and the programs of plateau
(`make quick` builds them).
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import plateau.jax

ROOT = Path(__file__).resolve().parent.parent
LENGTH, WIDTH, LETTERS = 32, 32, 64


def windows(path):
    """Tokens (N, LENGTH + 1): the most frequent characters, and one token for the others."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path is None else [path]
    text = np.frombuffer("".join(p.read_text(encoding="utf-8") for p in paths).encode("utf-32-le"), np.uint32)
    found, at, counts = np.unique(text, return_inverse=True, return_counts=True)
    rank = np.empty(len(found), int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(found))
    tokens = np.minimum(rank[at], LETTERS - 1)
    tokens = tokens[: len(tokens) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1)
    return np.random.default_rng(1).permutation(tokens)  # windows arrive in any order


def initial():
    rng = np.random.default_rng(0)
    shapes = {
        "embed": (LETTERS, WIDTH), "place": (LENGTH, WIDTH), "qkv": (WIDTH, 3 * WIDTH), "out": (WIDTH, WIDTH),
        "up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH),
    }
    return {name: jnp.asarray(rng.normal(size=s) / np.sqrt(s[0]), jnp.float32) for name, s in shapes.items()}


def norm(h):
    return (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)


def loss(p, x, y):
    """One loss per window, (B,): x and y are (B, LENGTH), y the next characters."""
    # Products with 0 and 1 in the place of look-ups, whose derivatives are slow on processors.
    x, y = jax.nn.one_hot(x, LETTERS), jax.nn.one_hot(y, LETTERS)
    h = x @ p["embed"] + p["place"]
    q, k, v = jnp.split(norm(h) @ p["qkv"], 3, axis=-1)
    scores = jnp.where(jnp.tril(jnp.ones((LENGTH, LENGTH), bool)), q @ k.swapaxes(1, 2) / WIDTH**0.5, -jnp.inf)
    h = h + jax.nn.softmax(scores) @ v @ p["out"]
    h = h + jax.nn.gelu(norm(h) @ p["up"]) @ p["down"]
    logits = norm(h) @ p["embed"].T
    return (jax.nn.logsumexp(logits, -1) - (logits * y).sum(-1)).mean(1)


@jax.jit
def adam(p, m, v, t, x, y):
    gradient = jax.grad(lambda p: loss(p, x, y).mean())(p)
    m = jax.tree_util.tree_map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree_util.tree_map(lambda v, g: 0.99 * v + 0.01 * g * g, v, gradient)
    move = lambda w, m, v: w - 3e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.99**t)) + 1e-8)
    return jax.tree_util.tree_map(move, p, m, v), m, v


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--draws", type=int, default=256)
    parser.add_argument("--report", type=Path, default=Path("text-report"))
    arguments = parser.parse_args()
    tokens = windows(arguments.text)
    x, y = tokens[:, :-1], tokens[:, 1:]
    params = initial()
    m = v = jax.tree_util.tree_map(jnp.zeros_like, params)
    rng = np.random.default_rng(2)
    for t in range(1, arguments.steps + 1):
        rows = rng.integers(0, len(x), 64)
        params, m, v = adam(params, m, v, t, x[rows], y[rows])

    top = plateau.jax.directions(loss, params, (x, y), dim=10)
    sigma = float(np.sqrt(0.2 / top.eigenvalues.sum()))  # draws that raise the loss by about 0.1 nats
    losses = plateau.jax.losses(loss, params, (x, y), directions=top, sigma=sigma, draws=arguments.draws)
    print(f"{len(losses.weights):,} parameters, {len(x):,} windows, sigma {sigma:.3g}, mean loss over the draws {losses.losses.mean():.3f}")
    print(plateau.sufficient(losses, tolerances=[1e-6, 1e-8], report=arguments.report, title="A transformer block"))


if __name__ == "__main__":
    main()
