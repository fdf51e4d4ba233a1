"""Make the demo's clip: photos moved by a simulated hand, things that fly past, and a shutter that stays open.

    python demo/make_clip.py DIR

writes `DIR/shaky.mp4`, a blurry clip as a phone would record it (H.264, about 30 frames/s with uneven times, sound), and
`DIR/truth.mkv`, the same scene at the middle of every exposure, without loss. The photos are those that scikit-image
ships; no network of this project was trained on them.
"""

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from unblur.pixels import to_float
from unblur.synth.camera import add_noise
from unblur.synth.response import SRGB
from unblur.synth.scene import Layer, expose, instant, steps_needed
from unblur.synth.trajectory import Trajectory

SIZE = (320, 480)  # height, width
FRAMES = 36  # in each of the two shots
TICKS = 90_000  # in a second
FRAME = TICKS // 30  # ticks in a frame on average; the unit of time of the trajectories
EXPOSURE = 0.7  # of a frame
SOUND_RATE = 48_000
NOISE = 1e-4  # variance of the photon noise at full light


def main() -> None:
    """Parse the command line and write both clips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    times = uneven_times(generator, count=2 * FRAMES)
    with av.open(str(folder / "shaky.mp4"), "w") as blurry_file, av.open(str(folder / "truth.mkv"), "w") as sharp_file:
        blurry_stream = add_video(blurry_file, "libx264", "yuv420p", {"crf": "17", "preset": "medium"})
        sound = blurry_file.add_stream("aac", rate=SOUND_RATE)
        sound.layout = "mono"
        sharp_stream = add_video(sharp_file, "ffv1", "bgr0", {"level": "3"})
        for shot, layers in enumerate((workshop(), breakfast())):
            for time in times[shot * FRAMES : (shot + 1) * FRAMES]:
                blurry, sharp = record(layers, time / FRAME, generator)
                encode(blurry_file, blurry_stream, blurry, time)
                encode(sharp_file, sharp_stream, sharp, time)
        for file, stream in ((blurry_file, blurry_stream), (sharp_file, sharp_stream)):
            file.mux(stream.encode(None))
        add_chord(blurry_file, sound, seconds=(times[-1] + FRAME) / TICKS)


def uneven_times(generator: np.random.Generator, *, count: int) -> list[int]:
    """Presentation times in ticks, with steps of 25 to 42 ms, as phones record them."""
    steps = generator.integers(round(0.75 * FRAME), round(1.25 * FRAME), size=count - 1)
    return [0, *np.cumsum(steps).tolist()]


def workshop() -> list[Layer]:
    """A motorcycle in a workshop, panned by an unsteady hand, and a cat's face that flies past."""
    hand = shaken(swing=[(30, 9), (5, 6)], rate=[0.03, 0.11], turn=0.012)
    flight = Trajectory(np.array([7.0, 1.5, 0.004, 0.0]), np.zeros((1, 4)), np.zeros(1), np.zeros((1, 4)))
    return [
        background(data.stereo_motorcycle()[0], hand),
        cut_out(data.chelsea()[20:270, 110:360], at=(40, 70), trajectories=(flight, hand)),
    ]


def breakfast() -> list[Layer]:
    """A cup of coffee, and an astronaut's portrait pulled across it."""
    hand = shaken(swing=[(14, 22), (6, 4)], rate=[0.04, 0.13], turn=0.01)
    pull = Trajectory(np.array([-5.5, 0.0, 0.0, 0.0]), np.array([[0.0, 12.0, 0.0, 0.0]]), np.array([0.045]), np.zeros((1, 4)))
    portrait = cv2.resize(data.astronaut()[0:240, 100:340], (150, 150), interpolation=cv2.INTER_AREA)
    return [background(data.coffee(), hand), cut_out(portrait, at=(560, 100), trajectories=(pull, hand))]


def shaken(*, swing: list[tuple[float, float]], rate: list[float], turn: float) -> Trajectory:
    """The trajectory of a hand-held camera: slow sway and faster tremor, in pixels and cycles a frame, with a little turning."""
    poses = np.array([(x, y, turn if i == 0 else 0.0, 0.0) for i, (x, y) in enumerate(swing)])
    phase = np.array([[0.3, 1.4, 0.0, 0.0], [1.0, 0.2, 0.0, 0.0]])
    return Trajectory(np.zeros(4), poses, np.array(rate), phase)


def background(photo: NDArray[np.uint8], hand: Trajectory) -> Layer:
    """A photo whose middle fills the picture."""
    origin = ((photo.shape[1] - SIZE[1]) // 2, (photo.shape[0] - SIZE[0]) // 2)
    return Layer(SRGB.decode(photo), (hand,), origin)


def cut_out(photo: NDArray[Any], *, at: tuple[int, int], trajectories: tuple[Trajectory, ...]) -> Layer:
    """An oval cut from a photo, whose middle is at (x, y) of the picture at time 0; everything around it is clear."""
    canvas = np.zeros((3 * SIZE[0], 3 * SIZE[1], 4), np.float32)
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, ((width / 2, height / 2), (width - 8, height - 8), 0), (255,), -1, cv2.LINE_AA)
    opacity = to_float(cv2.GaussianBlur(mask, (0, 0), 1.0))[..., None]
    top, left = SIZE[0] + at[1] - height // 2, SIZE[1] + at[0] - width // 2
    canvas[top : top + height, left : left + width] = np.concatenate([SRGB.decode(photo) * opacity, opacity], axis=2)
    return Layer(canvas, trajectories, (SIZE[1], SIZE[0]))


def record(layers: list[Layer], time: float, generator: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture that a camera takes with its shutter open around `time`, and what stood before it at that instant."""
    opens, closes = time - EXPOSURE / 2, time + EXPOSURE / 2
    steps = steps_needed(layers, size=SIZE, opens=opens, closes=closes)
    light = expose(layers, size=SIZE, steps=steps, opens=opens, closes=closes)
    blurry = SRGB.encode_8bit(add_noise(light, generator, shot=NOISE, read=0.001))
    return blurry, SRGB.encode_8bit(instant(layers, time, size=SIZE))


def add_video(file: av.container.OutputContainer, codec: str, pixel_format: str, options: dict[str, str]) -> av.VideoStream:
    """A video stream with the clip's size and times."""
    stream = file.add_stream(codec, rate=30, options=options)
    assert isinstance(stream, av.VideoStream)
    stream.height, stream.width = SIZE
    stream.pix_fmt = pixel_format
    stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
    if pixel_format == "yuv420p":
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1
    return stream


def encode(file: av.container.OutputContainer, stream: av.VideoStream, picture: NDArray[np.uint8], time: int) -> None:
    """Write one frame."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    if stream.pix_fmt == "yuv420p":
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts, frame.time_base = time, Fraction(1, TICKS)
    file.mux(stream.encode(frame))


def add_chord(file: av.container.OutputContainer, stream: av.AudioStream, *, seconds: float) -> None:
    """A chord that fades, so that one hears where the clip ends."""
    clock = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    wave = sum(np.sin(2 * np.pi * pitch * clock) for pitch in (220.0, 277.2, 329.6)) * 0.1 * np.exp(-clock / 2)
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
    file.mux([*stream.encode(frame), *stream.encode(None)])


if __name__ == "__main__":
    main()
