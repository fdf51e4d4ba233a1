"""How fast pairs are made from stills while a network trains: pairs and sequences a second on one core, by kind of scene.

The pictures are drawn by this script, so that no data is needed; `--photos` takes real ones. What a training step loses to
data is in the run's own log (`data_wait`).

    PYTHONPATH=src OMP_NUM_THREADS=1 python -m benchmarks.data --size 256
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.data.transforms import Arrays, Crop, Flip, PermuteChannels, Rotate90, Transform, apply
from unblur.synth.dynamic import KINDS, DynamicBlur, draw_dynamic_pair
from unblur.synth.sequence import SequenceBlur, draw_sequence
from unblur.synth.sources import find_photos, read_photo
from unblur.synth.stills import StillsBlur, draw_pair

PLAIN = StillsBlur(object_probability=0, noise_probability=0, jpeg_probability=0)


def main() -> None:
    """Parse the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="side of a pair, pixels")
    parser.add_argument("--count", type=int, default=40, help="pairs a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=Path, nargs="*", help="folders of photos instead of drawn pictures")
    parser.add_argument("--dynamic", action="store_true", help="print milliseconds a pair of dynamic scenes, by kind, and nothing else")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    began = time.perf_counter()
    photos = [read_photo(path) for path in find_photos(arguments.photos)] if arguments.photos else _drawn()
    print(
        f"{len(photos)} pictures read once in {time.perf_counter() - began:.1f} s; rates are for a second of one core, median of {arguments.rounds} rounds"
    )
    if arguments.dynamic:
        _dynamic(photos, size=arguments.size, count=arguments.count, rounds=arguments.rounds)
        return
    kinds = {
        "as trained on": StillsBlur(),
        "camera alone": PLAIN,
        "with an object": dataclasses.replace(PLAIN, object_probability=1.0),
        "short paths (2 px)": dataclasses.replace(PLAIN, length=(2.0, 2.1)),
        "long paths (24 px)": dataclasses.replace(PLAIN, length=(23.9, 24.0)),
        "with noise": dataclasses.replace(PLAIN, noise_probability=1.0),
        "with JPEG": dataclasses.replace(PLAIN, jpeg_probability=1.0),
        "with sharpening": dataclasses.replace(PLAIN, sharpen_probability=1.0),
        "with H.264": dataclasses.replace(PLAIN, h264_probability=1.0),
    }
    for name, blur in kinds.items():
        rate = _rate(
            lambda index, blur=blur: draw_pair(np.random.default_rng(index), photos, size=arguments.size, blur=blur),  # type: ignore[misc]
            count=arguments.count,
            rounds=arguments.rounds,
        )
        print(f"{name:22} {rate:7.1f} pairs/s at {arguments.size}x{arguments.size}")
    rate = _rate(
        lambda index: draw_sequence(np.random.default_rng(index), photos, size=(256, 256), num_frames=5, blur=SequenceBlur()),
        count=max(1, arguments.count // 10),
        rounds=arguments.rounds,
    )
    print(f"{'sequences of 5 frames':22} {rate:7.1f} sequences/s at 256x256, flow in both directions")
    pair = draw_pair(np.random.default_rng(0), photos, size=arguments.size, blur=StillsBlur())
    whole = Arrays(pair.blurry[None], pair.sharp[None], blur_field=pair.blur_field[None])
    transforms: list[Transform] = [Crop(arguments.size // 2), Rotate90(), Flip(), PermuteChannels(share=0.3)]
    rate = _rate(lambda index: apply(whole, transforms, np.random.default_rng(index)), count=10 * arguments.count, rounds=arguments.rounds)
    print(f"{'transforms alone':22} {rate:7.0f} crops/s")


def _dynamic(photos: list[NDArray[np.uint8]], *, size: int, count: int, rounds: int) -> None:
    """Print how long pairs of dynamic scenes take, of each kind and as they are mixed; frames are a photo that is panned over."""
    side = min(min(photo.shape[:2]) for photo in photos) - 32
    clip = np.stack([photos[0][:side, shift : shift + side] for shift in range(32)])
    cutout = np.zeros((200, 300, 4), np.uint8)
    cv2.ellipse(cutout, (150, 100), (140, 90), 0, 0, 360, (180, 120, 60, 255), -1)
    shares: dict[str, Any] = {f"{kind}_probability": 0.0 for kind in KINDS}
    for name in (*KINDS, "all, as mixed"):
        blur = DynamicBlur() if name not in KINDS else DynamicBlur(**(shares | {f"{name}_probability": 1.0}))
        rate = _rate(
            lambda index, blur=blur: draw_dynamic_pair(  # type: ignore[misc]
                np.random.default_rng(index), photos=photos, cutouts=[cutout], sequences=[clip], size=size, blur=blur
            ),
            count=count,
            rounds=rounds,
        )
        print(f"{name:22} {1000 / rate:7.1f} ms a pair at {size}x{size}")


def _drawn() -> list[NDArray[np.uint8]]:
    """Pictures with detail at several scales."""
    pictures = []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        total = np.zeros((720, 1080, 3), np.float32)
        for cells in (6, 18, 54, 180):
            coarse = generator.normal(size=(cells * 2 // 3, cells, 3)).astype(np.float32)
            total += cv2.resize(coarse, (1080, 720), interpolation=cv2.INTER_NEAREST)
        pictures.append(np.clip(128 + 40 * total, 0, 255).astype(np.uint8))
    return pictures


def _rate(make: Callable[[int], object], *, count: int, rounds: int) -> float:
    """Calls a second of processor time, the median of a few rounds over the same seeds: a busy machine says the same."""
    make(0)
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        for index in range(count):
            make(index)
        seconds.append(time.process_time() - began)
    return count / statistics.median(seconds)


if __name__ == "__main__":
    main()
