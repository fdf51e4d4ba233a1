"""Every command of the tutorials, and of the page for those who are not content, runs on small data, in the order of the page."""

import re
import shlex
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from unblur.app.cli import app
from unblur.weights import card_of

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "tutorials"
TROUBLE = "../how-to/if-it-is-slow-or-no-better"
TINY = "--set batch=2 --set crop=32 --set data.pair_size=32 --set data.pool=4 --set data.pool_start=2 --set steps=2 --set decay=1 --set warmup=1"


def commands(page: str) -> list[list[str]]:
    """Words of all commands in the shell blocks of a page."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def run(words: list[str]) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def picture(path: Path, *, seed: int = 0, size: tuple[int, int] = (40, 32)) -> None:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(20, 236, (size[1] // 8, size[0] // 8, 3), np.uint8)
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST))


def film(path: Path, *, frames: int) -> None:
    """So many frames at 10 a second, of squares that move to the side."""
    still = np.kron(np.random.default_rng(1).integers(20, 236, (4, 6, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(still, number, axis=1), format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, in which the commands are run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_line_of_a_block_is_a_command_of_unblur():
    pages = [path.stem for path in PAGES.glob("*.md")]
    assert sorted(pages) == ["first-clip", "first-photo", "first-training"]
    for page in pages:
        found = commands(page)
        assert len(found) >= 8
        assert {words[0] for words in found} == {"unblur"}


def test_first_photo(folder):
    picture(folder / "photo.jpg")
    picture(folder / "holiday" / "beach.jpg")
    before = (folder / "photo.jpg").read_bytes()
    for _, *words in commands("first-photo"):
        run(words if words[0] in {"doctor", "models"} else ["restore", *words])
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "better.jpg",
        "holiday",
        "holiday_unblurred",
        "milder.jpg",
        "photo.jpg",
        "photo_unblurred.jpg",
        "quick.jpg",
        "quicker.jpg",
    }
    assert (folder / "photo.jpg").read_bytes() == before


@pytest.mark.slow
def test_first_clip(folder):
    film(folder / "clip.mp4", frames=12)
    for _, *words in commands("first-clip"):
        run(words if words[0] == "inspect" else ["restore", *words])
    made = {path.name for path in folder.glob("*.m*")}
    assert made == {
        f"{name}.mp4" for name in ("clip", "clip_unblurred", "preview", "fast", "in_two_minutes", "single", "better", "compact")
    } | {"master.mkv"}
    with av.open(str(folder / "clip_unblurred.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    assert list((folder / "seen").glob("*flow*.png"))


@pytest.mark.slow
def test_if_it_is_slow_or_no_better(folder):
    film(folder / "clip.mp4", frames=12)
    picture(folder / "photo.jpg")
    picture(folder / "holiday" / "beach.jpg")
    for _, *words in commands(TROUBLE):
        run(words if words[0] in {"doctor", "inspect"} else ["restore", *words])
    made = {path.stem for path in folder.iterdir()} - {"clip", "photo", "holiday"}
    assert made == {"soon", "small", "preview", "seen", "other", "softer", "holiday_unblurred"}
    assert list((folder / "seen").glob("*motion*.png"))


def test_first_training(folder):
    for number in range(2):
        picture(folder / "photos" / f"{number}.png", seed=number, size=(320, 256))
    picture(folder / "held-out" / "2.png", seed=2, size=(320, 256))
    picture(folder / "photo.jpg")
    for _, *words in commands("first-training"):
        run([*words, *TINY.split()] if words[0] == "train" else words)
    card = card_of(folder / "mine.safetensors")
    assert (card.architecture, card.training_data, card.licence) == ("swift", "my photos", "Apache-2.0")
    for name in ("pairs.jpg", "report.html", "tried.jpg", "restored.jpg"):
        assert (folder / name).stat().st_size > 1000
