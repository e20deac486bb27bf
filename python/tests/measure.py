"""How long `sufficient` takes on losses in memory, and whether its numbers are those of the program on the same file.

python python/tests/measure.py [draws] [samples]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import plateau
from conftest import ROOT, run_native


def main() -> None:
    """1,024 draws of 60,000 samples in f64, unless other numbers are given."""
    draws, n = (int(a) for a in (*sys.argv[1:], *("1024", "60000")[len(sys.argv) - 1 :]))
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=(draws, n)) * rng.uniform(1, 3, size=(draws, 1))
    begun = time.monotonic()
    found = plateau.sufficient(losses)
    print(f"{draws} x {n} {losses.dtype}: {time.monotonic() - begun:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "losses.npy", losses)
        pipeline = Path(folder) / "pipeline.yaml"
        setting = {"name": "own", "losses": "losses.npy", "dim": 1, "sigma": 1.0}
        sections = {"montecarlo": {"settings": [setting]}}
        pipeline.write_text(json.dumps({"defaults_from": str(ROOT / "pipeline.yaml"), "experiments": {"direct": sections}}))
        begun = time.monotonic()
        for stage in ("montecarlo", "bound"):
            run_native(stage, pipeline, "direct")
        print(f"the programs alone: {time.monotonic() - begun:.1f} s")
        direct = plateau.load(Path(folder) / "artifacts" / "direct").sufficient()
    same = found.variance == direct.variance and found.interval == direct.interval and np.array_equal(found.delta, direct.delta)
    same = same and [s.k for s in found.sizes] == [s.k for s in direct.sizes[:3]]
    print("V, its interval, every Delta_k and K are equal to the last bit" if same else "the numbers differ")
    sys.exit(not same)


if __name__ == "__main__":
    main()
