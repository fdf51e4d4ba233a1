"""How much faster two workers of a Ray cluster are than one, on one machine.

    python -m benchmarks.cluster

Needs the extra `cluster`, and two processors. Restores the same photos, and then one clip, with one worker of one thread and with two, in turns, each after a first
run in which the workers start and load the network, and prints the ratio of the medians: 2 is the most that is possible. Both workers share the memory
and whatever else is at work on the machine.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from unblur.cluster.connect import ray_module
from unblur.cluster.restoring import restore_files
from unblur.restore.batch import Options
from unblur.restore.networks import Request

HEIGHT, WIDTH = 720, 1280


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--photo-model", default="swift_quick")
    parser.add_argument("--frames", type=int, default=0, help="of the clip; 0 for none")
    parser.add_argument("--video-model", default="swift_video")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on 127.0.0.1 only
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = [_photo(folder / f"{number}.png", seed=number) for number in range(arguments.photos)]
        _compare(f"{len(photos)} photos of {WIDTH}×{HEIGHT}", photos, model=arguments.photo_model, rounds=arguments.rounds)
        if arguments.frames:
            clip = _clip(folder / "clip.mp4", frames=arguments.frames)
            _compare(f"a clip of {arguments.frames} frames", [clip], model=arguments.video_model, rounds=arguments.rounds)


def _compare(what: str, files: Sequence[Path], *, model: str, rounds: int) -> None:
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, taken in seconds.items():
            taken.append(_seconds(files, workers=workers, model=model))
    one, two = (statistics.median(taken) for taken in seconds.values())
    print(f"{what}, {model}: one worker {one:.1f} s, two workers {two:.1f} s, ratio {one / two:.2f}")


def _seconds(files: Sequence[Path], *, workers: int, model: str) -> float:
    ray = ray_module()
    ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        for _ in range(2):
            began = time.perf_counter()
            report = restore_files(files, address="auto", request=Request(model=model, device="cpu"), options=Options(overwrite=True))
            seconds = time.perf_counter() - began
            assert not report.failed, report.failed
        return seconds
    finally:
        ray.shutdown()


def _photo(path: Path, *, seed: int) -> Path:
    Image.fromarray(_picture(seed)).save(path)
    return path


def _clip(path: Path, *, frames: int) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH // 2, HEIGHT // 2, "yuv420p"
        scene = _picture(0)
        for number in range(frames):
            shown = np.ascontiguousarray(np.roll(scene, 3 * number, axis=1)[: HEIGHT // 2, : WIDTH // 2])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def _picture(seed: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Coarse noise, blurred along a line."""
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    large = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return cv2.blur(large, (9, 1)).astype(np.uint8)


if __name__ == "__main__":
    main()
