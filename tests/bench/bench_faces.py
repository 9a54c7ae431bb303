"""How long the local face engine takes, and how much memory: `python -m tests.bench.bench_faces`.

The still is the sample portrait at 2048 x 1152, a frame of film, the actor's picture the same
woman, mirrored, at 512 x 512. The first rounds load the networks and are not counted. Memory is
the peak of a fresh process that decodes, swaps and encodes: what a worker needs, interpreter and
libraries included.

Standing alone it also runs as `python tests/bench/bench_faces.py`.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from short_drama import model_files, settings
from short_drama.images.codec import decode, encode
from short_drama.images.colour import Pixels
from short_drama.images.structure import JPEG, PNG
from short_drama.paid_api.local_faces import LocalFaces
from short_drama.paid_api.masks import paint_soft

STILL = (2048, 1152)
MEBIBYTE = 1024 * 1024


def pictures(samples: Path) -> tuple[Pixels, Pixels]:
    portrait = decode(model_files.path(samples, "astronaut.png").read_bytes()).pixels
    square = cv2.resize(portrait, (STILL[0], STILL[0]), interpolation=cv2.INTER_CUBIC)
    still = np.asarray(square, np.uint8)[: STILL[1]].copy()
    return still, portrait[:, ::-1].copy()


def swap_pixels(faces: LocalFaces, still: Pixels, actor: Pixels) -> Pixels:
    return faces.swap(still, faces.find(still)[0], actor).image


def swap_bytes(faces: LocalFaces, still: bytes, actor: bytes) -> bytes:
    swapped = swap_pixels(faces, decode(still).pixels, decode(actor).pixels)
    return encode(swapped, PNG, label=None)


def timed(step: Callable[[], object], rounds: int) -> dict[str, float]:
    """Milliseconds."""
    step()
    step()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        took.append((time.perf_counter() - start) * 1000)
    return {"best_ms": round(min(took), 1), "median_ms": round(median(took), 1)}


def measure(models: Path, samples: Path, rounds: int) -> dict[str, Any]:
    faces = LocalFaces(models)
    still, actor = pictures(samples)
    still_bytes, actor_bytes = (encode(each, JPEG, label=None) for each in (still, actor))
    face = faces.find(still)[0]
    masked = paint_soft(still, face.ellipse, feather=0.0)
    steps: dict[str, Callable[[], object]] = {
        "full swap, pixels to pixels": lambda: swap_pixels(faces, still, actor),
        "full swap, JPEG to PNG": lambda: swap_bytes(faces, still_bytes, actor_bytes),
        "find": lambda: faces.find(still),
        "mask": lambda: paint_soft(still, face.ellipse, feather=0.0),
        "fill, mask to be found": lambda: faces.fill(masked, actor),
    }
    return {
        "still": f"{STILL[0]} x {STILL[1]}",
        "rounds": rounds,
        "steps": {name: timed(step, rounds) for name, step in steps.items()},
        "peak_rss_mib": fresh_peak(models, samples),
    }


def fresh_peak(models: Path, samples: Path) -> float:
    """Peak resident memory of a process that does one swap from bytes to bytes."""
    command = [sys.executable, __file__, "--one", str(models), str(samples)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def one_swap(models: Path, samples: Path) -> float:
    still, actor = (encode(each, JPEG, label=None) for each in pictures(samples))
    swap_bytes(LocalFaces(models), still, actor)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(round(one_swap(*asked.one), 1))
        return
    places = settings.load()
    found = measure(places.models_dir, places.samples_dir, asked.rounds)
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    print(f"Local faces on a still of {found['still']} (best and median of {asked.rounds}, ms)")
    for name, took in found["steps"].items():
        print(f"  {name:30} {took['best_ms']:7.1f} {took['median_ms']:7.1f}")
    print(f"  peak memory of a fresh process {found['peak_rss_mib']:5.0f} MiB")


if __name__ == "__main__":
    main()
