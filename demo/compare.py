"""Compare the demo's clips: how much nearer to the truth is the restored clip than the blurry one?

    python demo/compare.py DIR

reads `DIR/shaky.mp4`, `DIR/shaky_unblurred.mp4` and `DIR/truth.mkv`, checks that times and sound are the same, writes
`DIR/before_after.png` and `DIR/gain.png`, and prints the gain.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unblur.io.video import VideoReader
from unblur.metrics import from_uint8, psnr, ssim

CROP = 130  # pixels of the enlarged part
SHOT = 36  # frames in each of the two shots


def main() -> None:
    """Measure, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    blurry, restored, truth = (folder / name for name in ("shaky.mp4", "shaky_unblurred.mp4", "truth.mkv"))
    if times_of(blurry) != times_of(restored):
        sys.exit("the restored clip's frames are not at the times of the blurry clip's")
    if sound_of(blurry) != sound_of(restored):
        sys.exit("the restored clip's sound is not that of the blurry clip")
    rows: list[list[float]] = []
    worst: dict[int, tuple[float, list[NDArray[Any]]]] = {}  # the blurriest frame of each shot
    with VideoReader(blurry) as a, VideoReader(restored) as b, VideoReader(truth) as c:
        for number, frames in enumerate(zip(a, b, c, strict=True)):
            before, after, sharp = (from_uint8(np.asarray(frame.pixels, np.uint8)) for frame in frames)
            rows.append([float(measure(picture, sharp)) for measure in (psnr, ssim) for picture in (before, after)])
            shot = number // SHOT
            if shot not in worst or rows[-1][0] < worst[shot][0]:
                worst[shot] = rows[-1][0], [frame.pixels for frame in frames]
    figures = np.array(rows)  # (frames, 4): PSNR before, after, SSIM before, after
    draw_pictures([pictures for _, pictures in worst.values()], folder / "before_after.png")
    draw_gain(figures, folder / "gain.png")
    mean = figures.mean(axis=0)
    print(f"{len(figures)} frames; times and sound as in the source")
    gains = figures[:, 1] - figures[:, 0]
    print(f"PSNR {mean[0]:.2f} dB -> {mean[1]:.2f} dB, gain {gains.mean():+.2f} dB (from {gains.min():+.2f} to {gains.max():+.2f})")
    print(f"SSIM {mean[2]:.4f} -> {mean[3]:.4f}, gain {mean[3] - mean[2]:+.4f}")
    print(f"look at {folder / 'before_after.png'} and {folder / 'gain.png'}; play {restored}")


def times_of(clip: Path) -> list[float]:
    """Presentation times of the frames, seconds."""
    with VideoReader(clip) as reader:
        return [float(frame.pts * reader.info.time_base) for frame in reader]


def sound_of(clip: Path) -> list[bytes]:
    """The packets of the first sound track."""
    with av.open(str(clip)) as file:
        return [bytes(packet) for packet in file.demux(file.streams.audio[0]) if packet.size]


def draw_pictures(rows: list[list[NDArray[Any]]], target: Path) -> None:
    """Before, after and truth side by side; below each the part that the blur cost most, enlarged three times."""
    lines = []
    for pictures in rows:
        top, left = most_blurred(pictures[0], pictures[2])
        parts = [picture[top : top + CROP, left : left + CROP] for picture in pictures]
        width = pictures[0].shape[1]
        zoomed = [cv2.resize(part, (width, width), interpolation=cv2.INTER_NEAREST)[: width * 2 // 3] for part in parts]
        lines += [np.hstack(pictures), np.hstack(zoomed)]
    sheet = np.vstack(lines)
    width = sheet.shape[1] // 3
    for i, name in enumerate(("before", "after", "truth")):
        cv2.putText(sheet, name, (i * width + 10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 5, cv2.LINE_AA)
        cv2.putText(sheet, name, (i * width + 10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2, cv2.LINE_AA)
    cv2.imwrite(str(target), sheet[..., ::-1])


def most_blurred(blurry: NDArray[Any], sharp: NDArray[Any]) -> tuple[int, int]:
    """Top left of the square that the blur cost most."""
    error = np.square(blurry.astype(np.float32) - sharp).mean(axis=2)
    sums = cv2.boxFilter(error, -1, (CROP, CROP), anchor=(0, 0))[: sharp.shape[0] - CROP, : sharp.shape[1] - CROP]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left)


def draw_gain(figures: NDArray[np.float64], target: Path) -> None:
    """PSNR and SSIM of every frame before and after."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    for axis, name, before, after in ((axes[0], "PSNR, dB", 0, 1), (axes[1], "SSIM", 2, 3)):
        axis.plot(figures[:, before], label="blurry", color="tab:grey")
        axis.plot(figures[:, after], label="restored", color="tab:blue")
        axis.fill_between(range(len(figures)), figures[:, before], figures[:, after], alpha=0.2)
        axis.set_ylabel(name)
        axis.legend()
    axes[1].set_xlabel("frame")
    axes[0].set_title(f"mean gain {(figures[:, 1] - figures[:, 0]).mean():+.2f} dB, {(figures[:, 3] - figures[:, 2]).mean():+.4f} SSIM")
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
