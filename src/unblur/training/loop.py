"""Training of a photo network on pairs from stills, resumable at any step."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unblur import losses
from unblur.data.transforms import Arrays, Crop, Flip, PermuteChannels, QuarterTurn, Transform, apply
from unblur.data.window import PairWindow
from unblur.errors import InputError
from unblur.models import create
from unblur.synth.sources import read_photo
from unblur.synth.stills import StillsBlur, draw_pair
from unblur.training.muon import Muon
from unblur.training.recipe import StillsRecipe

__all__ = ["StillsMaker", "batch_at", "train"]


_CONTENT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"charbonnier": losses.charbonnier, "log_mse": losses.log_mse}


@dataclass(frozen=True)
class StillsMaker:
    """Makes pair i from the photos in `photos`; picklable, decodes them once in each process."""

    photos: tuple[Path, ...]
    seed: int
    size: int
    blur: StillsBlur

    @cached_property
    def _pictures(self) -> list[NDArray[np.uint8]]:
        cv2.setNumThreads(1)
        return [read_photo(path) for path in self.photos]

    @property
    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shapes and types of a pair's arrays."""
        quarter = self.size // 4
        return {
            "blurry": ((self.size, self.size, 3), "uint8"),
            "sharp": ((self.size, self.size, 3), "uint8"),
            "spread": ((quarter, quarter, 3), "float16"),
        }

    def __call__(self, index: int) -> dict[str, NDArray[Any]]:
        pair = draw_pair(np.random.default_rng([self.seed, index]), self._pictures, size=self.size, blur=self.blur)
        return {"blurry": pair.blurry, "sharp": pair.sharp, "spread": pair.spread}


def train(recipe: StillsRecipe, *, photos: list[Path], out: Path, save_every: int = 200) -> Iterator[dict[str, float]]:
    """Train to the recipe's last step, going on from what is in `out`; yields one record every `save_every` steps.

    Args:
        recipe: what to do.
        photos: sharp pictures.
        out: folder of the run: `state.pt` (all that is needed to go on), `log.jsonl`, `recipe.json`.
        save_every: steps between two savings.

    Raises:
        InputError: if there are no photos, or `out` holds a run of another network, optimiser or seed.
    """
    if not photos:
        raise InputError("there are no photos to train on; give a folder with sharp JPEG, PNG or WebP files")
    out.mkdir(parents=True, exist_ok=True)
    _check_same_run(recipe, out)
    (out / "recipe.json").write_text(recipe.model_dump_json(indent=2))
    torch.manual_seed(recipe.seed)
    net = create(recipe.model, **recipe.arguments).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimisers = _optimisers(net, recipe)
    step = _resume(out / "state.pt", net, average, optimisers)
    maker = StillsMaker(tuple(photos), recipe.seed, recipe.pair_size, StillsBlur(**recipe.blur))
    identity = [[str(path) for path in photos], recipe.seed, recipe.blur]
    sums = {"loss": 0.0, "motion": 0.0, "gain": 0.0}
    with PairWindow(
        maker,
        folder=out / "window",
        identity=identity,
        layout=maker.layout,
        capacity=recipe.window,
        start=recipe.window_start,
        fresh=recipe.fresh,
        workers=1,
    ) as window:
        began, since = time.monotonic(), step
        while step < recipe.steps:
            blurry, sharp, spread = batch_at(step, window, recipe=recipe)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = recipe.lr * _rate(step, recipe)
                optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
                seen = net.spread(blurry)
                given = torch.where(_told(step, recipe)[:, None, None, None], spread, seen.detach())
                restored = net.restore(blurry, given)
            content = _CONTENT[recipe.content](restored, sharp)
            motion = (seen - spread).abs().mean() / 8
            loss = recipe.content_weight * content + recipe.motion_weight * motion
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
            if torch.isfinite(norm):
                for optimiser in optimisers:
                    optimiser.step()
            keep = min(recipe.ema, (1 + step) / (10 + step))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - keep)
            step += 1
            sums["loss"] += content.item()
            sums["motion"] += motion.item() * 8
            sums["gain"] += _gain(blurry, restored.detach(), sharp)
            if step % save_every == 0 or step == recipe.steps:
                _save(out / "state.pt", net, average, optimisers, step)
                count = step - since
                spent = time.monotonic() - began
                record = {key: value / count for key, value in sums.items()} | {
                    "step": step,
                    "crops_s": recipe.batch * count / spent,
                    "data_share": window.waited / spent,
                }
                with (out / "log.jsonl").open("a") as log:
                    log.write(json.dumps(record) + "\n")
                yield record
                sums = dict.fromkeys(sums, 0.0)
                began, since, window.waited = time.monotonic(), step, 0.0


def batch_at(step: int, window: PairWindow, *, recipe: StillsRecipe) -> tuple[Tensor, Tensor, Tensor]:
    """The crops of a step: a pure function of the step, the window and the recipe's seed.

    Shape:
        blurry and sharp (batch, 3, crop, crop), in [0, 1], channels last; spread (batch, 3, crop/4, crop/4), pixels
    """
    generator = np.random.default_rng([recipe.seed, 1, step])
    first, last = window.range(step)
    transforms: list[Transform] = [Crop(recipe.crop), QuarterTurn(), Flip(), PermuteChannels(share=0.3)]
    pictures = np.empty((2, recipe.batch, recipe.crop, recipe.crop, 3), np.uint8)
    spreads = np.empty((recipe.batch, recipe.crop // 4, recipe.crop // 4, 3), np.float32)
    for slot, index in enumerate(generator.integers(first, last, size=recipe.batch)):
        pair = window.pair(int(index))
        whole = Arrays(pair["blurry"][None], pair["sharp"][None], spread=pair["spread"][None].astype(np.float32))
        cut = apply(whole, transforms, generator)
        assert cut.spread is not None
        pictures[0, slot], pictures[1, slot], spreads[slot] = cut.blurry[0], cut.sharp[0], cut.spread[0]
    blurry, sharp = (torch.from_numpy(half).permute(0, 3, 1, 2).float() / 255 for half in pictures)
    return blurry, sharp, torch.from_numpy(spreads).permute(0, 3, 1, 2)


def _told(step: int, recipe: StillsRecipe) -> Tensor:
    """Which crops of a step are restored with the true spread: all at first, none from `told_until` on."""
    share = max(0.0, 1 - step / max(recipe.told_until, 1))
    generator = torch.Generator().manual_seed(recipe.seed + step)
    return torch.rand(recipe.batch, generator=generator) < share


def _rate(step: int, recipe: StillsRecipe) -> float:
    """Share of the full rate: up, level, and down to 0 in the last `decay` steps."""
    return min(1.0, (step + 1) / max(recipe.warmup, 1), (recipe.steps - step) / max(recipe.decay, 1))


def _gain(blurry: Tensor, restored: Tensor, sharp: Tensor) -> float:
    """Mean over the batch of the gain in PSNR, dB."""
    before = (blurry - sharp).square().mean(dim=(1, 2, 3)).clamp_min(1e-7)
    after = (restored - sharp).square().mean(dim=(1, 2, 3)).clamp_min(1e-7)
    return float((10 * torch.log10(before / after)).mean())


def _optimisers(net: nn.Module, recipe: StillsRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the weights of convolutions if the recipe asks for it, AdamW for all else."""
    weights = [weight for weight in net.parameters() if weight.ndim > 1]
    hidden = {id(weight) for weight in weights} if recipe.optimiser == "muon" else set()
    others = [parameter for parameter in net.parameters() if id(parameter) not in hidden]
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True)]
    if hidden:
        made.append(Muon(weights, lr=recipe.lr, weight_decay=recipe.weight_decay))
    return made


def _save(path: Path, net: nn.Module, average: dict[str, Tensor], optimisers: list[torch.optim.Optimizer], step: int) -> None:
    partial = path.with_suffix(".partial")
    states = [optimiser.state_dict() for optimiser in optimisers]
    torch.save({"step": step, "net": net.state_dict(), "average": average, "optimisers": states}, partial)
    partial.replace(path)


def _check_same_run(recipe: StillsRecipe, out: Path) -> None:
    """Refuse to go on with what another recipe began; lengths, rates and ranges may change on the way."""
    if not (out / "state.pt").exists():
        return
    before = json.loads((out / "recipe.json").read_text())
    now = json.loads(recipe.model_dump_json())
    differing = [key for key in ("model", "arguments", "optimiser", "seed") if before.get(key) != now[key]]
    if differing:
        raise InputError(f"`{out}` holds a run whose recipe has another {' and '.join(differing)}; choose another folder")


def _resume(path: Path, net: nn.Module, average: dict[str, Tensor], optimisers: list[torch.optim.Optimizer]) -> int:
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    for name, value in state["average"].items():
        average[name].copy_(value)
    return int(state["step"])
