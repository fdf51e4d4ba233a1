"""The commands of training, and the guide that shows them."""

import io
import re
import shlex
import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner

from unblur.app.cli import app
from unblur.app.train import _line, _Waiting
from unblur.errors import InputError, OutputError
from unblur.training.recipe import Recipe, read_recipe
from unblur.training.recipe_files import recipe_names
from unblur.weights import card_of

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/how-to/train-on-your-own-footage.md"
TINY = (
    "--cpu --set batch=2 --set crop=16 --set steps=2 --set precision=fp32 --set workers=1 --set validate_pictures=1 --set validate_every=2"
)
NARROW = ["--set", "arguments={widths: [4, 6, 8], num_blocks: 1, kernel_size: 3}"]
POOL = "--set data.pair_size=32 --set data.pool=2 --set data.pool_start=1 --set crop=32"
SMALL_SWIFT = ["--set", "arguments={widths: [8, 12], blocks: [1, 1], motion_widths: [8, 12], motion_blocks: [1, 1]}"]


def run(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def drawing(seed: int, *, height: int = 128, width: int = 160) -> np.ndarray:
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128, np.uint8)
    for _ in range(150):
        corner = random.integers(0, width, 2).tolist()
        size = random.integers(4, 24, 2)
        cv2.rectangle(picture, corner, (corner + size).tolist(), random.integers(0, 256, 3).tolist(), -1)
    return picture


def film(path: Path, seed: int) -> None:
    """A quarter of a second at 240 frames a second, moving to the side."""
    path.parent.mkdir(exist_ok=True)
    still = drawing(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(240), options={"crf": "4", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = still.shape[1], still.shape[0], "yuv420p"
        for number in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(still, 2 * number, axis=1), format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def footage(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "clips" / "a.mp4", 1)
    film(tmp_path / "held-out" / "b.mp4", 2)
    (tmp_path / "photos").mkdir()
    cv2.imwrite("photos/c.png", drawing(3))
    cv2.imwrite("shaky.png", cv2.blur(drawing(4), (7, 1)))
    return tmp_path


def commands() -> list[list[str]]:
    text = GUIDE.read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^    ((?:unblur|mv) .*)$", text, flags=re.MULTILINE)]


def test_every_command_of_the_guide_works(footage):
    found = commands()
    assert len(found) == 14
    for words in found:
        if words[0] == "mv":
            shutil.move(*words[1:])
            continue
        words = [each for word in words[1:] for each in (sorted(map(str, footage.glob(word))) if "*" in word else [word])]
        if words[0] == "train":
            words += [*TINY.split(), *(NARROW if "srn" in words[1] else POOL.split())]
            words += SMALL_SWIFT if "runs/swift" in words else []
        result = run(*words)
        assert result.exit_code == 0, (words, result.output, result.exception)
    assert {path.name for path in (footage / "runs").iterdir()} == {
        "mine",
        "swift",
        "tuned",
        "swift_best-kernel-gpu-2min",
        "swift_best-all-gpu-5min",
        "swift_best-accelerated-cpu-hour",
    }
    for name in ("tried.png", "restored.png"):
        assert cv2.imread(name).shape == (128, 160, 3)
    card = card_of(footage / "mine.safetensors")
    assert (card.architecture, card.summary, card.licence) == ("srn", "srn for my camera", "Apache-2.0")
    assert (card.training_data, card.kind) == ("my clips of 2026", "photo")


def test_recipes_that_the_guide_names_are_there():
    for words in commands():
        if words[1] == "train":
            assert words[2] in recipe_names()


def test_recipes_are_listed_and_printed_with_all_that_they_extend():
    listed = run("recipes").output.splitlines()
    assert [line.split()[0] for line in listed] == recipe_names()
    assert next(line for line in listed if line.startswith("mscnn/gopro ")).endswith("mscnn on GoPro: three codecs with HMPCA")
    printed = yaml.safe_load(run("recipes", "swift/stills").output)
    assert Recipe.model_validate(printed) == read_recipe("swift/stills")
    assert printed.keys() == Recipe.model_fields.keys()
    assert "did you mean the built-in `swift/stills`" in str(run("recipes", "swift/stil").exception)


@pytest.mark.usefixtures("footage")
def test_it_says_what_happened_and_where():
    options = [*TINY.split(), *POOL.split(), *SMALL_SWIFT, "--set", "log_every=1"]
    result = run("train", "swift/stills", "--photos", "photos", *options)
    assert result.exit_code == 0
    for words in ("step 1: loss", "step 2: loss", "crops/s", "the run is in runs/swift-stills; `--model runs/swift-stills`"):
        assert words in result.output.replace("\n", " ")
    exported = run("export-weights", "runs/swift-stills", "-o", "a.safetensors")
    assert exported.exit_code == 0
    assert card_of("a.safetensors").summary == "swift, a run of 2 of 2 steps"
    assert card_of("a.safetensors").licence == "none given"
    again = run("export-weights", "runs/swift-stills", "-o", "a.safetensors")
    assert "exists" in str(again.exception)
    assert run("export-weights", "runs/swift-stills", "-o", "a.safetensors", "--overwrite").exit_code == 0


@pytest.mark.usefixtures("footage")
def test_dynamic_scenes_are_made_of_photos_objects_and_clips():
    Path("cutouts").mkdir()
    cutout = np.zeros((30, 40, 4), np.uint8)
    cv2.circle(cutout, (20, 15), 11, (40, 90, 200, 255), -1)
    cv2.imwrite("cutouts/ball.png", cutout)
    options = [*TINY.split(), *POOL.split(), *NARROW, "--set", "data.kind=dynamic", "--set", "data.blur={length: [1, 4]}"]
    things = ["--photos", "photos", "--cutouts", "cutouts", "--highspeed", "clips/a.mp4"]
    result = run("train", "srn/stills-cpu-hour", *things, *options, "--out", "run")
    assert result.exit_code == 0, (result.output, result.exception)
    assert [path.suffix for path in Path("run/pool/frames").iterdir()] == [".rgb"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "stepps=3"], "did you mean `steps`"),
        (["--set", "steps"], "does not say a value"),
        (["--photos", "nowhere"], "`nowhere` is not there"),
        ([], "needs sharp photos"),
    ],
)
@pytest.mark.usefixtures("footage")
def test_what_cannot_be_done_is_said(words, message):
    result = run("train", "swift/stills", *words)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert "not the folder of a run" in str(run("export-weights", "photos", "-o", "a.safetensors").exception)


@pytest.mark.usefixtures("footage")
def test_a_run_that_cannot_be_written_is_one_clear_error(monkeypatch):
    options = [*TINY.split(), *POOL.split(), *SMALL_SWIFT, "--set", "log_every=1", "--set", "validate_every=0"]
    words = ["train", "swift/stills", "--photos", "photos", *options]
    result = run(*words, "--out", "shaky.png")
    assert isinstance(result.exception, OutputError)
    assert "`shaky.png` is a file; name another folder" in str(result.exception)

    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0\nframe #0: ...")

    with monkeypatch.context() as patch:
        patch.setattr("unblur.training.checkpoint.torch.save", full)
        result = run(*words, "--out", "run")
    assert isinstance(result.exception, OutputError)
    assert "state.pt` cannot be written" in str(result.exception)
    assert "frame #0" not in str(result.exception)
    assert run(*words, "--out", "run").exit_code == 0


@pytest.mark.usefixtures("footage")
def test_a_lower_rate_goes_on():
    options = [*TINY.split(), *POOL.split(), *SMALL_SWIFT, "--set", "log_every=1", "--set", "validate_every=0"]
    words = ["train", "swift/stills", "--photos", "photos", *options, "--out", "run"]
    assert run(*words).exit_code == 0
    result = run(*words, "--set", "steps=3", "--set", "lr=1.0e-6")
    assert result.exit_code == 0, result.exception
    assert "is 1e-06; going on from step 2" in result.output


def test_lines_say_what_the_blurry_input_had():
    record = {"step": 2, "protocol": "gopro-skimage", "psnr": 27.123, "ssim": 0.9, "input_psnr": 25.5}
    assert _line(record) == "step 2: psnr 27.12 (blurry input 25.5), ssim 0.9 (gopro-skimage)"


def test_the_bar_says_how_many_pairs_are_made():
    with Progress(console=Console(file=io.StringIO(), force_terminal=True)) as bar:
        task = bar.add_task("swift", total=9)
        _Waiting(bar, task, name="swift")(3, 20)
        assert bar.tasks[0].description == "swift, making pairs, 3 of 20"
    shown = io.StringIO()
    with Progress(console=Console(file=shown, force_terminal=False), disable=True) as bar:
        waiting = _Waiting(bar, bar.add_task("swift", total=9), name="swift")
        waiting(3, 20)
        waiting(4, 20)  # too soon for another line
    assert shown.getvalue() == "making pairs, 3 of 20\n"
