"""How many samples are enough? V, Δ_k and K of any model.

`sufficient` takes losses at random points around the trained weights; `torch.losses` and `jax.losses` compute them;
`load` reads the artifacts of an experiment. The terms are those of the README.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ._artifacts import ArtifactError, Experiment, Stage, load
from ._binaries import BinariesNotFoundError, PlateauError
from ._losses import Losses
from ._result import Exponent, Interval, Size, Sufficient
from ._sufficient import sufficient

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "BinariesNotFoundError",
    "Experiment",
    "Exponent",
    "Interval",
    "Losses",
    "PlateauError",
    "Size",
    "Stage",
    "Sufficient",
    "__version__",
    "load",
    "sufficient",
]


def __getattr__(name: str) -> ModuleType:
    """`plateau.torch` and `plateau.jax` are imported when they are first used."""
    if name in ("torch", "jax"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
