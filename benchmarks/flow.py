"""How well flow is estimated: `pwcnet` beside OpenCV's DIS and no motion at all.

    python -m benchmarks.flow [--photos DIR] [--clips DIR] [--model NAME|FILE|RUN]... [--sequences N] [--sheets DIR] [--card]

With `--photos`, pairs of frames are synthesised from sharp pictures that were not trained on, whose flow is known exactly; what is
measured is the mean end-point error in pixels, from the blurry frames and from the sharp ones, on all pixels and on those that can
be seen in both frames. Two ranges of motion: `usual`, that of the recipe, and `far`, three times as fast.

With `--clips`, folders of `SEQUENCE/blurry` and `SEQUENCE/sharp`, flow is estimated from the blurry frames to the frame before; the
sharp frame before, brought onto the sharp one by it, is compared with it: PSNR in dB where the flow does not leave the frame.

`--sheets` draws the first pairs: frame before, frame, true flow if known, and each estimate in colours. `--card` writes the figures
of the first model into its card.
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from unblur.flow import dis_flow, grey
from unblur.layers.warp import flow_inside, flow_warp
from unblur.models import create_flow
from unblur.models.flow import FlowNet
from unblur.pixels import to_tensor
from unblur.restore.drawing import flow_colours
from unblur.synth.sequence import SequenceBlur, draw_sequence
from unblur.synth.sources import find_photos, read_photo
from unblur.weights import Card, Result, allowed_architecture, card_of, load_tensors, weights_path

SIDE = 256
"""Of a synthetic frame, pixels."""
USUAL = SequenceBlur(sharp_probability=0.05, length=(0.5, 8.0), exposure=(0.15, 0.95), noise_probability=0.7)
RANGES = {"usual": USUAL, "far": dataclasses.replace(USUAL, length=(1.5, 24.0))}
SHOWN = 6

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Estimate = Callable[[Bytes, Bytes], Floats]
"""Flow (H, W, 2) from the first frame, (H, W, 3), to the second."""


@dataclass(frozen=True)
class Pair:
    """A frame and the one before it, blurry and sharp, and the flow from it to that one where it is known."""

    blurry: tuple[Bytes, Bytes]
    sharp: tuple[Bytes, Bytes]
    flow: Floats | None = None
    seen: NDArray[np.bool_] | None = None


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of sharp pictures")
    parser.add_argument("--clips", type=Path, help="folder of sequences")
    parser.add_argument("--model", action="append", help="built-in weights, a file or a run; may be given several times")
    parser.add_argument("--sequences", type=int, default=64, help="pairs of frames for each range")
    parser.add_argument("--sheets", type=Path, help="folder for pictures")
    parser.add_argument("--card", action="store_true", help="write the figures into the card of the first model")
    arguments = parser.parse_args()
    models = arguments.model or ["pwcnet"]
    estimates: dict[str, Estimate] = {"no motion": no_motion, "DIS": dis}
    estimates |= {Path(model).name: network(model) for model in models}
    results: list[Result] = []
    if arguments.photos:
        photos = [read_photo(path) for path in find_photos([arguments.photos])]
        for name, blur in RANGES.items():
            pairs = list(drawn(photos, blur, count=arguments.sequences))
            errors = end_point_errors(pairs, estimates)
            show_errors(name, pairs, errors)
            if arguments.sheets:
                draw(pairs[:SHOWN], estimates, folder=arguments.sheets, name=name)
            command = f"python -m benchmarks.flow --photos {arguments.photos.name} --sequences {arguments.sequences}"
            results.append(
                Result(
                    measure="mean end-point error of blurry frames, pixels",
                    value=round(float(np.mean(errors[Path(models[0]).name]["blurry"])), 2),
                    protocol=f"all pixels, {SIDE}×{SIDE}; no motion {np.mean(errors['no motion']['blurry']):.2f}, DIS {np.mean(errors['DIS']['blurry']):.2f}",
                    data=f"sequences from {arguments.photos.name}, motion `{name}`",
                    command=command,
                )
            )
    if arguments.clips:
        for folder in sorted(path for path in arguments.clips.iterdir() if path.is_dir()):
            pairs = list(filmed(folder))
            show_warping(folder.name, pairs, estimates)
            if arguments.sheets:
                draw(pairs[:: max(1, len(pairs) // 2)][:2], estimates, folder=arguments.sheets, name=folder.name)
    if arguments.card:
        path = weights_path(models[0]).with_suffix(".json")
        card = Card.model_validate_json(path.read_text(encoding="utf-8"))
        kept = tuple(result for result in card.results if result.data not in {new.data for new in results})
        path.write_text(card.model_copy(update={"results": (*kept, *results)}).model_dump_json(indent=2) + "\n", encoding="utf-8")


def drawn(photos: list[Bytes], blur: SequenceBlur, *, count: int) -> Iterator[Pair]:
    """Synthetic pairs; the same ones every time."""
    for number in range(count):
        clip = draw_sequence(np.random.default_rng([2026, number]), photos, size=(SIDE, SIDE), num_frames=2, blur=blur)
        yield Pair((clip.blurry[1], clip.blurry[0]), (clip.sharp[1], clip.sharp[0]), clip.flow_to_previous[0], clip.visible_in_previous[0])


def filmed(folder: Path) -> Iterator[Pair]:
    """Every frame of a sequence but the first, with the one before it."""
    blurry, sharp = ([read_photo(path) for path in find_photos([folder / kind])] for kind in ("blurry", "sharp"))
    for place in range(1, len(blurry)):
        yield Pair((blurry[place], blurry[place - 1]), (sharp[place], sharp[place - 1]))


def no_motion(reference: Bytes, neighbour: Bytes) -> Floats:  # noqa: ARG001 (an estimate takes both)
    """Flow of a still scene."""
    return np.zeros((*reference.shape[:2], 2), np.float32)


def dis(reference: Bytes, neighbour: Bytes) -> Floats:
    """OpenCV's dense inverse search, at its preset `medium`."""
    return dis_flow(grey(reference), grey(neighbour))


def network(name: str) -> Estimate:
    """A network with its weights, in fp32."""
    card = card_of(name)
    net: FlowNet = create_flow(allowed_architecture(card), **card.arguments).eval()
    net.load_state_dict(load_tensors(name))

    @torch.no_grad()
    def estimate(reference: Bytes, neighbour: Bytes) -> Floats:
        height, width = reference.shape[:2]
        room = (0, -width % net.size_multiple, 0, -height % net.size_multiple)
        both = [pad(to_tensor(picture), room, mode="replicate") for picture in (reference, neighbour)]
        return net(both[0], both[1])[0, :, :height, :width].permute(1, 2, 0).numpy()

    return estimate


def end_point_errors(pairs: list[Pair], estimates: dict[str, Estimate]) -> dict[str, dict[str, list[float]]]:
    """For each method and kind of frame, the mean error of each pair."""
    errors: dict[str, dict[str, list[float]]] = {name: {} for name in estimates}
    for name, estimate in estimates.items():
        for pair in pairs:
            assert pair.flow is not None
            assert pair.seen is not None
            for kind, frames in (("blurry", pair.blurry), ("sharp", pair.sharp)):
                error = np.linalg.norm(estimate(*frames) - pair.flow, axis=2)
                errors[name].setdefault(kind, []).append(float(error.mean()))
                errors[name].setdefault(f"{kind}, seen in both", []).append(float(error[pair.seen].mean()))
    return errors


def show_errors(name: str, pairs: list[Pair], errors: dict[str, dict[str, list[float]]]) -> None:
    """Print a table."""
    lengths = np.stack([np.linalg.norm(pair.flow, axis=2) for pair in pairs if pair.flow is not None])
    middle, far = np.percentile(lengths, (50, 95))
    print(
        f"\nend-point error, pixels; {len(pairs)} pairs of {SIDE}×{SIDE}, motion `{name}`: median {middle:.1f}, 95 % below {far:.1f} pixels"
    )
    kinds = list(next(iter(errors.values())))
    print(f"{'':12}" + "".join(f"{kind:>24}" for kind in kinds))
    for method, by_kind in errors.items():
        cells = (f"{np.mean(values):.2f} (median {np.median(values):.2f})" for values in by_kind.values())
        print(f"{method:12}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


def show_warping(name: str, pairs: list[Pair], estimates: dict[str, Estimate]) -> None:
    """Print a line for each method."""
    print(f"\nwarping, PSNR in dB of the sharp frame before against the sharp frame; {name}, {len(pairs)} pairs, flow from blurry frames")
    for method, estimate in estimates.items():
        values = []
        for pair in pairs:
            flow = torch.from_numpy(estimate(*pair.blurry)).permute(2, 0, 1)[None]
            inside = flow_inside(flow).expand(-1, 3, -1, -1)
            error = (flow_warp(to_tensor(pair.sharp[1]), flow) - to_tensor(pair.sharp[0]))[inside].square().mean()
            values.append(float(-10 * torch.log10(error)))
        print(f"{method:12} {np.mean(values):6.2f}", flush=True)


def draw(pairs: list[Pair], estimates: dict[str, Estimate], *, folder: Path, name: str) -> None:
    """One row a pair: frame before, frame, true flow, estimates; all flow of a row in one scale."""
    rows = []
    for pair in pairs:
        flows = [estimate(*pair.blurry) for method, estimate in estimates.items() if method != "no motion"]
        known = [] if pair.flow is None else [pair.flow]
        longest = max(1.0, float(np.percentile(np.linalg.norm((known or flows)[0], axis=2), 98)))
        rows.append(
            np.concatenate([pair.blurry[1], pair.blurry[0], *(flow_colours(flow, longest=longest) for flow in known + flows)], axis=1)
        )
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.jpg"), np.concatenate(rows)[..., ::-1])


if __name__ == "__main__":
    main()
