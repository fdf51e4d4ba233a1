"""Training of any network by a recipe, on one process or many, resumable at any step.

    source ─ prefetch ─ batch ─┬─ objective(network) ─ loss ─ backward ─ optimisers ─ moving average
                               └─ adversary (learns before the network does)
    every LOOK_EVERY steps:  guard ─ go on | go back to the last checkpoint | give up

The loop knows no network: what is particular to one is in its objective. A step has the same meaning on any number of
processes, of which each calculates its share of the recipe's batch.
"""

import copy
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from unblur.errors import InputError, UnblurError
from unblur.io.whole import make_folder
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.training.adversarial import Adversary
from unblur.training.batch import Batch
from unblur.training.blur_field import BlurFieldObjective
from unblur.training.camera_kernel import CameraKernelObjective
from unblur.training.checkpoint import keep_recipe, read_state, write_state
from unblur.training.content import ContentObjective, Objective, StepOutput
from unblur.training.exemplar import ExemplarObjective
from unblur.training.flow import FlowObjective
from unblur.training.flow_and_blur_field import FlowAndBlurFieldObjective
from unblur.training.guard import LOOK_EVERY, MOST_ROLLBACKS, Guard, OutsideWatch
from unblur.training.initial import check_flow_can_learn, initial_network
from unblur.training.memory import check_memory
from unblur.training.optimisers import hold_others, make_optimisers, rate, set_rates
from unblur.training.prefetch import Prefetch
from unblur.training.realistic_blur import RealisticBlur
from unblur.training.recipe import AdversarialKeys, RealisticBlurKeys, Recipe
from unblur.training.record import Record, sample_sheet
from unblur.training.sources import open_source
from unblur.training.validation import Row, choose, measure, summarise

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped]

__all__ = ["Training", "train"]

_OBJECTIVES: dict[str, type[Objective]] = {
    "content": ContentObjective,
    "exemplar": ExemplarObjective,
    "adversarial": ContentObjective,
    "realistic_blur": ContentObjective,
    "blur_field": BlurFieldObjective,
    "flow_and_blur_field": FlowAndBlurFieldObjective,
    "camera_kernel": CameraKernelObjective,
    "flow": FlowObjective,
}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def train(
    recipe: Recipe,
    *,
    out: Path,
    photos: Sequence[Path] = (),
    data: Sequence[Path] = (),
    pool: Path | None = None,
    cpu: bool = False,
    cutouts: Sequence[Path] = (),
    highspeed: Sequence[Path] = (),
    may_lower_rate: bool = False,
    waiting: Callable[[int, int], None] | None = None,
) -> Generator[dict[str, Any], None, None]:
    """Train to the recipe's last step, going on from what is in `out`.

    Yields what is written to the log: every `log_every` steps the means since the last line (`loss`, `gain` in dB, `crops_s`,
    `data_wait`: share of the time spent on waiting for samples), validations (`psnr`, ..., with `protocol`), and `event`s.
    Where several processes train, the first yields.

    Args:
        recipe: what to do.
        out: folder of the run, see `unblur.training.checkpoint`.
        photos: sharp pictures, where samples are made of them.
        data: folders of data sets, where samples are read, and for the validation.
        pool: folder of the samples that are made of photos; in `out` if None. Trainings that follow each other with the same
            seed and data may share one, so that nothing is made twice.
        cpu: train on the processor even if there is a GPU.
        cutouts: objects with opacity, for `data.kind: dynamic`.
        highspeed: clips of about 240 frames a second, for `data.kind: dynamic`.
        may_lower_rate: go on with a lower `lr`, `lr_of` or `clip` than the run was begun with; otherwise they must be the same.
        waiting: called now and then while pairs are waited for, with how many of the pool are made and how many it has; from any thread.

    Raises:
        InputError: if the recipe, its data, the network and the run in `out` do not fit together.
        UnblurError: if the training has gone wrong too often to go on; the last checkpoint is whole.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise InputError("training needs accelerate; `pip install 'unblur[train]'`") from error

    accelerator = Accelerator(mixed_precision="no", cpu=cpu)  # precision is the recipe's, not the launcher's
    processes = accelerator.num_processes
    _check_batch(recipe, processes=processes)
    with accelerator.main_process_first():
        if accelerator.is_main_process:
            make_folder(out)
            keep_recipe(recipe, out=out, may_lower_rate=may_lower_rate)
    training = Training(recipe, accelerator=accelerator, out=out)
    with ExitStack() as stack:
        if recipe.validate_every and data:
            training.plan_validation(data)
        training.check_memory()
        source_of = open_source(
            recipe,
            photos=photos,
            data=data,
            num_frames=training.net.num_frames,
            pool=pool or out / "pool",
            part=(accelerator.process_index, processes),
            cutouts=cutouts,
            highspeed=highspeed,
            kernel=training.kernel_size,
            waiting=waiting,
        )
        with accelerator.main_process_first():
            source = stack.enter_context(source_of)
        samples = recipe.batch // processes  # of a batch, for each process
        slots = range(accelerator.process_index * samples, (accelerator.process_index + 1) * samples)
        threads = min(recipe.workers, 1) if recipe.data.kind not in ("pairs", "clips") else recipe.workers
        batches = stack.enter_context(Prefetch(source, slots=slots, threads=threads))
        stack.callback(training.close)
        yield from training.run(batches)


def _check_batch(recipe: Recipe, *, processes: int) -> None:
    if recipe.batch % (processes * recipe.accumulate):
        raise InputError(
            f"`batch` ({recipe.batch}) must be a multiple of the {processes} process(es) times `accumulate` ({recipe.accumulate}); "
            "it counts the crops of all processes together"
        )


class Training:
    """A training under way.

    Args:
        recipe: what is done.
        accelerator: processes and devices.
        out: folder of the run.

    Attributes:
        net: the network.
        average: its moving average.
        kernel_size: see `Objective`.
        step: steps taken.
    """

    def __init__(self, recipe: Recipe, *, accelerator: "Accelerator", out: Path) -> None:
        self.recipe, self._accelerator, self._out = recipe, accelerator, out
        self._device: torch.device = accelerator.device
        torch.manual_seed(recipe.seed)
        order = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.net = initial_network(recipe).to(self._device).to(memory_format=order)  # type: ignore[call-overload]
        self.average: Net | FlowNet = copy.deepcopy(self.net).eval().requires_grad_(requires_grad=False)
        hold_others(self.net, recipe=recipe)
        self._watch = OutsideWatch(self.net)
        self._optimisers = make_optimisers(self.net, recipe=recipe)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=recipe.precision == "fp16")
        adversarial, blurs = (isinstance(recipe.objective, kind) for kind in (AdversarialKeys, RealisticBlurKeys))
        self._adversary = Adversary(recipe, device=self._device, mean=self._mean) if adversarial else None
        self._blurrer = RealisticBlur(recipe, device=self._device, mean=self._mean) if blurs else None
        objective = _OBJECTIVES[recipe.objective.kind](self.net, recipe=recipe)
        self.kernel_size = objective.kernel_size
        if recipe.compile:
            objective.compile_net()
        self._objective = accelerator.prepare(objective)
        self._guard = Guard(largest_outside=recipe.largest_outside)
        self._to_validate: list[Any] = []
        self._input_means: dict[str, float] = {}  # of the blurry pictures that are validated with, measured once
        self.step = 0
        self._lowered: list[dict[str, Any]] = []  # when the learning rate was lowered, from what to what
        self._rates_before: dict[str, Any] = {}
        log_size = self._load(first=True)
        if self.step == 0:
            check_flow_can_learn(self.net, recipe=recipe)
        self._to_tell = self._note_lowered()
        self._record = Record(out, size=log_size, tensorboard=recipe.tensorboard) if accelerator.is_main_process else None

    def plan_validation(self, data: Sequence[Path]) -> None:
        """Choose what is measured, before hours are spent."""
        recipe = self.recipe
        assert recipe.protocol is not None
        assert recipe.validate_layout is not None
        try:
            self._to_validate = choose(
                recipe.validate_layout,
                data,
                choice=recipe.validate_choice,
                num_frames=self.net.num_frames,
                protocol=recipe.protocol,
                count=recipe.validate_pictures,
            )
        except InputError as error:
            raise InputError(f"nothing to validate with: {error}; or add `--set validate_every=0`") from error

    def check_memory(self) -> None:
        """See that a step can fit into memory, before pairs are made for it."""
        if isinstance(self.net, Net):
            check_memory(
                self.net,
                recipe=self.recipe,
                processes=self._accelerator.num_processes,
                device=self._device,
                autocast=self._autocast(),
            )

    def run(self, batches: Prefetch) -> Iterator[dict[str, Any]]:
        """Take the steps that are left; yields what is logged."""
        recipe = self.recipe
        pending: list[dict[str, Tensor]] = []
        logged: list[dict[str, float]] = []
        began, waited = time.monotonic(), batches.waited
        if self._to_tell:
            yield from self._write({"step": self.step, "event": self._to_tell, "rate": self._guard.rate})
        if self.step == 0 or self._to_tell:
            self._save()
        while self.step < recipe.steps:
            batch = batches.batch(self.step, order=self._guard.order, last=recipe.steps)
            batch = batch.to(self._device, channels_last=recipe.channels_last)
            ending = self.step + 1 == recipe.steps
            self._watch.active = recipe.largest_outside is not None and (ending or self._due(LOOK_EVERY) or self._due(recipe.save_every))
            numbers, output = self._take_step(batch)
            self.step += 1
            pending.append(numbers)
            saves = ending or self.step % recipe.save_every == 0
            if saves or self.step % LOOK_EVERY == 0 or self.step % recipe.log_every == 0:
                looked = self._look(pending)
                pending = []
                fault = next((fault for fault in map(self._fault_of, looked) if fault), "")
                if fault:
                    yield from self._go_back(fault)
                    logged, began, waited = [], time.monotonic(), batches.waited
                    continue
                logged += looked
            if self.step % recipe.log_every == 0 or ending:
                spent = max(time.monotonic() - began, 1e-9)
                line = {key: sum(each[key] for each in logged) / len(logged) for key in logged[0] if key not in ("error", "outside")}
                if recipe.largest_outside is not None:
                    line["outside"] = max(each["outside"] for each in logged)
                line |= {
                    "rate": rate(self.step - 1, recipe=recipe) * self._guard.rate,
                    "crops_s": recipe.batch * len(logged) / spent,
                    "data_wait": (batches.waited - waited) / spent,
                }
                yield from self._write({"step": self.step} | line)
                logged, began, waited = [], time.monotonic(), batches.waited
            if self._record is not None and recipe.sample_every and (self.step % recipe.sample_every == 0 or ending):
                self._record.show(self.step, sample_sheet(*_compared(batch, output)))
            if self._to_validate and (self.step % recipe.validate_every == 0 or ending):
                yield from self._write({"step": self.step, "protocol": recipe.protocol} | self._validate())
            if saves:
                self._guard.sound()
                self._save()

    def close(self) -> None:
        """Finish what is being written."""
        if self._record is not None:
            self._record.close()

    def _due(self, every: int) -> bool:
        """Whether the step that is about to be taken is one of every so many."""
        return (self.step + 1) % every == 0

    def _take_step(self, batch: Batch) -> tuple[dict[str, Tensor], StepOutput]:
        """Change the weights once; gives numbers that are still on the device."""
        recipe = self.recipe
        torch.manual_seed(hash((recipe.seed, 3, self.step, self._accelerator.process_index, self._guard.order)))  # for dropout
        share = rate(self.step, recipe=recipe) * self._guard.rate
        set_rates(self._optimisers, share)
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        blurrer: dict[str, Tensor] = {}
        if self._blurrer is not None:
            batch, blurrer = self._blurrer.blur(batch, step=self.step, part=self._accelerator.process_index, share=share)
        parts = batch.parts(recipe.accumulate)
        for number, part in enumerate(parts, start=1):
            with nullcontext() if number == len(parts) else self._accelerator.no_sync(self._objective):
                with self._autocast():
                    output: StepOutput = self._objective(part, self.step)
                if self._blurrer is not None:
                    output = replace(output, before=part.reference)
                loss, shown = output.loss, output.shown | blurrer
                if self._adversary is not None:
                    shown["adversary"] = self._adversary.learn(
                        output.restored, part.truth, step=self.step, part=self._accelerator.process_index, share=share
                    )
                    loss = loss + self._adversary.fool(output.restored, part.truth)
                self._scaler.scale(loss / len(parts)).backward()  # type: ignore[no-untyped-call]
            for key, value in ({"loss": loss} | shown | _quality(part, output)).items():
                sums[key] = sums.get(key, torch.zeros((), device=self._device)) + value.detach() / len(parts)
        sums["norm"] = self._update()
        sums["outside"] = self._watch.take().to(self._device)
        return sums, output

    def _update(self) -> Tensor:
        """Optimisers and moving average; gives the norm of the gradient before it was cut."""
        recipe = self.recipe
        for optimiser in self._optimisers:
            self._scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip or float("inf"))
        for optimiser in self._optimisers:
            self._scaler.step(optimiser)
        self._scaler.update()
        keep = min(recipe.ema, (1 + self.step) / (10 + self.step))
        average = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
        average(list(self.average.parameters()), list(self.net.parameters()), self.step)
        for averaged, buffer in zip(self.average.buffers(), self.net.buffers(), strict=True):
            averaged.copy_(buffer)
        return torch.nan_to_num(norm, nan=0.0, posinf=0.0) if recipe.precision == "fp16" else norm  # fp16: the scaler's affair

    def _look(self, pending: list[dict[str, Tensor]]) -> list[dict[str, float]]:
        """Bring numbers to the processor, as means over all processes."""
        keys = list(pending[0])
        table = self._mean(torch.stack([torch.stack([numbers[key].float() for key in keys]) for numbers in pending]))
        return [dict(zip(keys, row, strict=True)) for row in table.tolist()]

    def _fault_of(self, numbers: dict[str, float]) -> str:
        return self._guard.judge(loss=numbers["loss"], norm=numbers["norm"], error=numbers["error"], outside=numbers["outside"])

    def _go_back(self, fault: str) -> Iterator[dict[str, Any]]:
        """Take up the last checkpoint with another order of the samples and a lower rate."""
        before, at = copy.copy(self._guard), self.step
        self._load()
        self._guard.gone_back(before)
        event = f"{fault}; went back from step {at} to {self.step}"
        if self._guard.rollbacks > MOST_ROLLBACKS:
            raise UnblurError(
                f"{fault}, at step {at}, for the {self._guard.rollbacks}th time from the checkpoint of step {self.step}; gave up. "
                "The checkpoint is whole: go on by the same command with a lower `lr` or `clip`, such as "
                f"`--set lr={self.recipe.lr / 4:g}`, or look at the data"
            )
        yield from self._write({"step": self.step, "event": event, "rate": self._guard.rate})
        self._save()

    def _validate(self) -> dict[str, float]:
        assert self.recipe.protocol is not None
        assert isinstance(self.average, Net)
        part, parts = self._accelerator.process_index, self._accelerator.num_processes
        windows = self._to_validate[part::parts]
        rows: list[Row] = measure(self.average, windows, protocol=self.recipe.protocol, device=self._device, autocast=self._autocast())
        if not self._input_means:
            blurry = self._gathered(measure(None, windows, protocol=self.recipe.protocol, device=self._device, autocast=self._autocast()))
            self._input_means = {f"input_{key}": value for key, value in summarise(blurry, protocol=self.recipe.protocol).items()}
        means = summarise(self._gathered(rows), protocol=self.recipe.protocol)
        return means | {key: self._input_means[key] for key in ("input_psnr",) if key in self._input_means}

    def _gathered(self, rows: list[Row]) -> list[Row]:
        """The rows of all processes."""
        if self._accelerator.num_processes == 1:
            return rows
        from accelerate.utils import gather_object  # type: ignore[import-untyped]

        gathered: list[Row] = gather_object(rows)
        return gathered

    def _write(self, numbers: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self._record is not None:
            self._record.write(numbers)
            yield numbers

    def _save(self) -> None:
        if self._record is not None:
            state = {
                "step": self.step,
                "network": {"kind": _kind_of(self.net), "size_multiple": self.net.size_multiple},
                "net": self.net.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
                "scaler": self._scaler.state_dict(),
                "adversary": None if self._adversary is None else self._adversary.state_dict(),
                "blurrer": None if self._blurrer is None else self._blurrer.state_dict(),
                "guard": self._guard.state_dict(),
                "rates": {"lr": self.recipe.lr, "lr_of": self.recipe.lr_of, "clip": self.recipe.clip},
                "lowered": self._lowered,
                "log_size": self._record.size,
            }
            write_state(state, out=self._out)
        self._accelerator.wait_for_everyone()

    def _load(self, *, first: bool = False) -> int:
        """Take up the last checkpoint if there is one; gives the size of its log."""
        state = read_state(self._out, device=self._device)
        if state is None:
            assert first, "there is a checkpoint of step 0"
            return 0
        self.step = int(state["step"])
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            full = [group["full_lr"] for group in optimiser.param_groups]  # the recipe's, which may be lower than the saved one
            optimiser.load_state_dict(saved)
            for group, rate_of_group in zip(optimiser.param_groups, full, strict=True):
                group["full_lr"] = rate_of_group
        self._scaler.load_state_dict(state["scaler"])
        if self._adversary is not None:
            self._adversary.load_state_dict(state["adversary"])
        if self._blurrer is not None:
            self._blurrer.load_state_dict(state["blurrer"])
        self._guard.load_state_dict(state["guard"])
        if first:
            self._rates_before = state.get("rates", {})
            self._lowered = list(state.get("lowered", []))
        return int(state["log_size"])

    def _note_lowered(self) -> str:
        """Note a learning rate that is lower than that of the checkpoint; gives what to tell of it. The guard forgets what went wrong with the higher one."""
        lowered = [key for key, before in self._rates_before.items() if before != getattr(self.recipe, key)]
        if not lowered or self.step == 0:
            return ""
        for key in lowered:
            self._lowered.append({"step": self.step, "key": key, "from": self._rates_before[key], "to": getattr(self.recipe, key)})
        self._guard.lowered()
        said = ", ".join(f"`{key}` was {self._rates_before[key]} and is {getattr(self.recipe, key)}" for key in lowered)
        return f"{said}; going on from step {self.step}"

    def _mean(self, tensor: Tensor) -> Tensor:
        mean: Tensor = self._accelerator.reduce(tensor, reduction="mean")
        return mean

    def _autocast(self) -> torch.autocast:
        precision = self.recipe.precision
        return torch.autocast(self._device.type, _DTYPES[precision] if precision != "fp32" else None, enabled=precision != "fp32")


def _kind_of(net: Net | FlowNet) -> str:
    """The kind of a network's weights, as in their card."""
    return "flow" if isinstance(net, FlowNet) else "photo" if net.num_frames == 1 else "video"


def _compared(batch: Batch, output: StepOutput) -> tuple[Tensor, Tensor, Tensor]:
    """What was to be restored, what was made of it, and the truth."""
    before = batch.reference if output.before is None else output.before
    aim = batch.truth if output.aim is None else output.aim
    return before, output.restored.detach(), aim


def _quality(batch: Batch, output: StepOutput) -> dict[str, Tensor]:
    """Mean squared error of the middle frames, and the mean gain in PSNR, dB."""
    blurry, restored, truth = _compared(batch, output)
    before = (blurry - truth).square().mean(dim=(1, 2, 3))
    after = (restored.float() - truth).square().mean(dim=(1, 2, 3))
    return {"error": after.mean(), "gain": (10 * torch.log10(before.clamp_min(1e-7) / after.clamp_min(1e-7))).mean()}
