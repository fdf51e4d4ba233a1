"""`unblur inspect` as a user meets it."""

import json

import av
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from unblur.models import create
from unblur.restore.choose import PhotoChoice
from unblur.restore.load import load_network
from unblur.weights import best_for, sha256_of


@pytest.fixture
def run(run):
    """Runs `unblur ARGUMENTS` in a folder that holds `clip.mp4`; gives exit code and standard error."""
    with av.open("clip.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "x264-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        for number in range(4):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((80, 96, 3), 40 + number, np.uint8), format="rgb24")))
        file.mux(stream.encode(None))

    def call(*arguments):
        code, _, err = run("inspect", *arguments)
        return code, err

    return call


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sides(path):
    with Image.open(path) as picture:
        return picture.size


def test_pictures_of_the_network_that_restores_clips(run, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "unblur.restore.networks.load_network", lambda name, **options: opened.append(name) or load_network(name, **options)
    )
    code, told = run("clip.mp4", "--frame", "1", "-o", "seen")
    assert code == 0
    assert opened == [best_for("video")]
    assert {"window.png", "flow.png", "motion.png", "before-after.png"} <= set(names(tmp_path / "seen"))
    for name in names(tmp_path / "seen"):
        assert f"seen/{name}" in told
    assert "what it changed" in told


def test_pictures_of_the_network_that_restores_photos(run, tmp_path, monkeypatch):
    Image.new("RGB", (96, 80), (90, 120, 60)).save("photo.png")
    opened = []
    monkeypatch.setattr(
        "unblur.restore.networks.load_network", lambda name, **options: opened.append(name) or load_network(name, **options)
    )
    assert run("photo.png", "-o", "seen")[0] == 0
    assert opened == [best_for("photo")]
    assert {"motion.png", "gates.png", "before-after.png"} <= set(names(tmp_path / "seen"))
    assert run("photo.png", "-o", "as-a-clip", "--model", "swift_video")[0] == 0  # copies of it are its neighbours
    assert "window.png" in names(tmp_path / "as-a-clip")


def test_a_large_photo_is_seen_as_it_is_restored(run, monkeypatch):
    Image.new("RGB", (192, 160), (90, 120, 60)).save("photo.png")
    monkeypatch.setattr("unblur.restore.networks.photo_choice", lambda *_, **__: PhotoChoice("swift", 0.5, full_seconds=99.0))
    seen = []
    monkeypatch.setattr("unblur.restore.inspect.inspect_window", lambda frames, **_: seen.append(frames[0].shape) or [])
    code, said = run("photo.png", "-o", "seen")
    assert code == 0
    assert "taking `--model swift` at 0.5 of the photo's size" in said
    assert run("photo.png", "-o", "seen", "--model", "swift")[0] == 0
    assert seen == [(80, 96, 3), (160, 192, 3)]


def test_the_frame_of_a_clip_must_be_named(run, tmp_path):
    code, said = run("clip.mp4", "-o", "seen")
    assert code == 2
    assert "say which of its frames" in said
    assert not (tmp_path / "seen").exists()


def test_pictures_of_a_video_network_from_a_file(run, tmp_path):
    arguments = {"widths": [4, 6, 8], "num_blocks": 1}
    net = create("mdcn", **arguments)
    save_file(net.state_dict(), tmp_path / "tiny.safetensors")
    card = {"name": "tiny", "kind": "video", "summary": "", "architecture": "mdcn", "arguments": arguments, "results": []}
    card |= {"size_multiple": 4, "origin": "trained here", "training_data": "", "recipe": "", "licence": ""}
    (tmp_path / "tiny.json").write_text(json.dumps(card | {"sha256": sha256_of(tmp_path / "tiny.safetensors")}))
    assert run("clip.mp4", "--frame", "0", "-o", "seen", "--model", "tiny.safetensors")[0] == 0
    assert names(tmp_path / "seen") == ["alignment.png", "before-after.png", "offsets.png", "window.png"]
    wide = sides(tmp_path / "seen" / "before-after.png")
    assert run("clip.mp4", "--frame", "0", "-o", "narrow", "--model", "tiny.safetensors", "--side", "64")[0] == 0
    assert sides(tmp_path / "narrow" / "before-after.png")[1] > wide[1]  # 64x64, no longer 96x80, under the same width


def test_pictures_that_exist_are_kept_unless_told(run, tmp_path):
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "motion.png").write_bytes(b"mine")
    code, told = run("clip.mp4", "--frame", "1", "-o", "seen")
    assert (code, "--overwrite" in told) == (1, True)
    assert (tmp_path / "seen" / "motion.png").read_bytes() == b"mine"
    assert run("clip.mp4", "--frame", "1", "-o", "seen", "--overwrite")[0] == 0
    assert sides(tmp_path / "seen" / "motion.png")[0] > 100


def test_another_network_can_be_named(run, tmp_path):
    assert run("clip.mp4", "--frame", "1", "-o", "seen", "--model", "swift")[0] == 0
    assert names(tmp_path / "seen") == ["before-after.png", "motion.png"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("clip.mp4", "--frame", "4"), "has 4 frames, numbered from 0; there is no frame 4"),
        (("photo.png", "--frame", "1"), "has 1 frame, numbered from 0; there is no frame 1"),
        (("none.mp4", "--frame", "0"), "none.mp4"),
        (("clip.mp4", "--frame", "0", "--model", "none"), "there are no weights `none`"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, told, run, tmp_path):
    Image.new("RGB", (96, 80)).save("photo.png")
    code, err = run(*arguments, "-o", "seen")
    assert code == 1
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "seen").exists()


def test_pictures_of_a_published_checkpoint(run, tmp_path, published):
    assert run("clip.mp4", "--frame", "1", "-o", "seen", "--weights", published)[0] == 0
    assert names(tmp_path / "seen") == ["before-after.png"]


def test_two_networks_are_one_too_many(run, published):
    code, said = run("clip.mp4", "--frame", "1", "-o", "seen", "--weights", published, "--model", "swift")
    assert code == 2
    assert "leave out one of them" in said
