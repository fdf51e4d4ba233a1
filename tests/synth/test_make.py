import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from unblur.errors import InputError, OutputError
from unblur.synth.folder import DataSetFolder, blur_folder
from unblur.synth.make import join, make, make_part
from unblur.synth.plans import ClipPlan, StillsPlan
from unblur.synth.response import GAMMA22, LINEAR, SRGB
from unblur.synth.sequence import SequenceBlur
from unblur.synth.sources import sha256_of
from unblur.synth.stills import StillsBlur
from unblur.synth.video import VideoBlur

VERSION = "1.2.3"


def make_clips(clips, target, *, response, split="train", progress=None, **options):
    return make(ClipPlan(tuple(clips), response.name, **options), target, version=VERSION, split=split, progress=progress)


def make_stills(photos, target, *, split="train", progress=None, **options):
    return make(StillsPlan(tuple(photos), **options), target, version=VERSION, split=split, progress=progress)


BLUR = VideoBlur(frames_per_blur=(3,), least_detail=0, max_blurred=1)


def texture(seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(30, 226, (10, 14, 3), np.uint8)
    return cv2.resize(coarse, (112, 80), interpolation=cv2.INTER_CUBIC)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1])
    return path


@pytest.fixture
def frames(tmp_path) -> Path:
    for number in range(9):
        write(tmp_path / "pan" / f"{number}.png", texture()[8:56, 2 * number + 4 : 2 * number + 68])
    return tmp_path / "pan"


@pytest.fixture
def photos(tmp_path) -> Path:
    for seed in range(2):
        write(tmp_path / "photos" / f"{seed}.png", texture(seed))
    return tmp_path / "photos"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_clips_become_a_gopro_data_set_with_a_manifest(frames, tmp_path):
    made = make_clips([frames], tmp_path / "out", response=GAMMA22, blur=BLUR, seed=3, rate=240, split="test")
    names = [f"test/pan_m03_00/{kind}/00000{number}.png" for kind in ("blur_gamma", "sharp") for number in range(3)]
    assert sorted(contents(tmp_path / "out")) == sorted([*names, "manifest.json"])
    assert (made.pairs, made.sequences, made.failed) == (3, 1, ())
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["unblur"] == "1.2.3"
    assert (manifest["seed"], manifest["response"]) == (3, "gamma2.2")
    assert manifest["parameters"]["frames_per_blur"] == [3]
    assert manifest["sources"][0]["sha256"] == sha256_of(frames)
    assert manifest["sources"][0]["name"] == "pan"
    assert manifest["sequences"][0]["pairs"][1] == {"file": "000001.png", "frame": 4, "instants": 3}
    assert manifest["left out"] == dict(made.left_out)
    assert str(tmp_path) not in json.dumps(manifest)


def test_same_seed_same_bytes_on_disk(frames, photos, tmp_path):
    noisy = dataclasses.replace(BLUR, noise_probability=1.0)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_clips([frames], tmp_path / "clips" / name, response=SRGB, blur=noisy, seed=seed, rate=240)
        make_stills([photos], tmp_path / "stills" / name, blur=StillsBlur(), seed=seed, count=2, size=(32, 32))
    for kind in ("clips", "stills"):
        first, second, other = (contents(tmp_path / kind / name) for name in "abc")
        assert first == second
        assert first.keys() == other.keys()
        assert first != other


def test_averages_of_file_values_go_to_another_folder(frames, tmp_path):
    make_clips([frames], tmp_path / "out", response=LINEAR, blur=BLUR, seed=0, rate=240)
    assert (tmp_path / "out/train/pan_m03_00/blur/000000.png").exists()
    assert [blur_folder(response) for response in (LINEAR, GAMMA22, SRGB)] == ["blur", "blur_gamma", "blur_gamma"]


def test_bad_clip_is_named_and_the_others_go_on(frames, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    made = make_clips([tmp_path / "bad.mp4", frames], tmp_path / "out", response=SRGB, blur=BLUR, seed=0, rate=240)
    assert made.pairs == 3
    assert [path.name for path, _ in made.failed] == ["bad.mp4"]
    assert "bad.mp4" in made.failed[0][1]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["failed"] == ["bad.mp4"]


def test_two_clips_of_one_name_stay_apart(frames, tmp_path):
    twin = tmp_path / "twin" / "pan"
    twin.parent.mkdir()
    frames.rename(twin)
    for number in range(9):
        write(frames / f"{number}.png", texture(1)[8:56, 2 * number + 4 : 2 * number + 68])
    made = make_clips([frames, twin], tmp_path / "out", response=SRGB, blur=BLUR, seed=0, rate=240)
    assert made.pairs == 6
    assert sorted(path.name for path in (tmp_path / "out/train").iterdir()) == ["pan-1_m03_00", "pan_m03_00"]


def test_nothing_is_left_when_no_pair_could_be_made(frames, tmp_path):
    still = dataclasses.replace(BLUR, least_motion=1000)
    with pytest.raises(InputError, match="nothing moves"):
        make_clips([frames], tmp_path / "out", response=SRGB, blur=still, seed=0, rate=240)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pan"]


def test_a_folder_that_holds_something_is_left_alone(frames, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        make_clips([frames], tmp_path / "out", response=SRGB, blur=BLUR, seed=0, rate=240)
    with pytest.raises(OutputError, match="not an empty folder"):
        make_stills([photos], tmp_path / "out", blur=StillsBlur(), seed=0, count=1, size=(32, 32))
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_an_empty_folder_is_filled(photos, tmp_path):
    (tmp_path / "out").mkdir()
    assert make_stills([photos], tmp_path / "out", blur=StillsBlur(), seed=0, count=1, size=(32, 32)).pairs == 1


def test_stop_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), DataSetFolder(tmp_path / "out") as folder:
        folder.add("a", 0, blurry=texture(), sharp=texture(), folder="blur")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_stills_come_with_their_exact_motion(photos, tmp_path):
    blur = StillsBlur(
        noise_probability=0,
        jpeg_probability=0,
        object_probability=0,
        turn=0,
        zoom=0,
        wobble=(0.0, 0.0),
        sharp_probability=0,
        length=(8.0, 8.001),
    )
    make_stills([photos], tmp_path / "out", blur=blur, seed=0, count=1, size=(32, 32), with_motion=True)
    fields = np.load(tmp_path / "out/train/stills_00000/motion/000000.npz")
    assert fields["opened"].shape == fields["closed"].shape == (32, 32, 2)
    assert np.hypot(*(fields["closed"] - fields["opened"])[7, 9]) == pytest.approx(8, rel=1e-3)
    assert fields["closed"] + fields["opened"] == pytest.approx(np.zeros((32, 32, 2)), abs=1e-5)  # the truth lies in the middle
    assert fields["trajectory"].shape == (33, 5)
    assert fields["trajectory"][[0, 16, 32], 0] == pytest.approx([-0.5, 0, 0.5])
    assert fields["trajectory"][32, 1:3] == pytest.approx(fields["closed"][0, 0], abs=1e-4)
    assert fields["blur_field"].shape == (8, 8, 3)


def test_sequences_from_stills_with_flow(photos, tmp_path):
    made = make_stills([photos], tmp_path / "out", blur=SequenceBlur(), seed=0, count=2, size=(32, 48), num_frames=3, with_motion=True)
    assert (made.pairs, made.sequences) == (6, 2)
    keys = [sorted(np.load(tmp_path / f"out/train/stills_00001/motion/00000{number}.npz")) for number in range(3)]
    ahead, behind = ["flow_to_next", "visible_in_next"], ["flow_to_previous", "visible_in_previous"]
    assert keys == [sorted(["pose", "blur_field", *more]) for more in (ahead, ahead + behind, behind)]
    assert cv2.imread(str(tmp_path / "out/train/stills_00000/sharp/000002.png")).shape == (32, 48, 3)


def test_bad_photos_are_named_and_the_others_used(photos, tmp_path):
    write(photos / "black.png", np.zeros((20, 20, 3), np.uint8))
    made = make_stills([photos], tmp_path / "out", blur=StillsBlur(), seed=0, count=1, size=(32, 32))
    assert made.pairs == 1
    assert [path.name for path, _ in made.failed] == ["black.png"]
    with pytest.raises(InputError, match=r"no photo can be used.*black.png"):
        make_stills([photos / "black.png"], tmp_path / "none", blur=StillsBlur(), seed=0, count=1, size=(32, 32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "at least one"),
        ({"size": (30, 30)}, "multiples of 4"),
        ({"size": (8, 8)}, "multiples of 4"),
        ({"size": (32, 48)}, "square"),
        ({"num_frames": 2}, "SequenceBlur"),
        ({"split": "val"}, "train and test"),
    ],
)
def test_refuses_what_makes_no_sense(photos, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        make_stills([photos], tmp_path / "out", **({"blur": StillsBlur(), "seed": 0, "count": 1, "size": (32, 32)} | changes))


def test_progress_is_told(frames, photos, tmp_path):
    told = []
    make_clips([frames], tmp_path / "a", response=SRGB, blur=BLUR, seed=0, rate=240, progress=lambda *what: told.append(what))
    make_stills([photos], tmp_path / "b", blur=StillsBlur(), seed=0, count=2, size=(32, 32), progress=lambda *what: told.append(what))
    assert ("looking at pan", 9, None) in told
    assert ("blurring pan", 3, 3) in told
    assert told[-1] == ("drawing", 2, 2)


def test_parts_made_in_any_order_are_joined_to_the_bytes_of_the_whole(photos, tmp_path):
    write(photos / "black.png", np.zeros((20, 20, 3), np.uint8))
    plan = StillsPlan((photos,), StillsBlur(), seed=4, count=5, size=(32, 32), with_motion=True)
    whole = make(plan, tmp_path / "whole", version=VERSION)
    ranges = {"a": range(2), "b": range(2, 3), "c": range(3, 5)}
    for name in "cab":
        make_part(plan, tmp_path / "parts" / name, parts=ranges[name])
    with DataSetFolder(tmp_path / "joined") as folder:
        made = join(plan, [tmp_path / "parts" / name for name in "abc"], folder=folder, version=VERSION)
    assert made == whole
    assert contents(tmp_path / "joined") == contents(tmp_path / "whole")


def test_a_part_that_is_there_is_not_made_again(photos, tmp_path):
    plan = StillsPlan((photos,), StillsBlur(), seed=4, count=2, size=(32, 32))
    make_part(plan, tmp_path / "part", parts=range(1))
    before = contents(tmp_path / "part")
    for path in photos.iterdir():
        path.unlink()
    make_part(plan, tmp_path / "part", parts=range(1))
    assert contents(tmp_path / "part") == before


def test_what_is_left_of_a_part_that_was_moved_is_made_again(photos, tmp_path):
    plan = StillsPlan((photos,), StillsBlur(), seed=4, count=2, size=(32, 32))
    make_part(plan, tmp_path / "part", parts=range(2))
    before = contents(tmp_path / "part")
    (tmp_path / "part" / "manifest.json").unlink()
    (tmp_path / "part" / "train" / "stills_00001" / "sharp" / "000000.png").unlink()
    make_part(plan, tmp_path / "part", parts=range(2))
    assert contents(tmp_path / "part") == before


def test_parts_of_other_photos_are_not_joined(photos, tmp_path):
    plan = StillsPlan((photos,), StillsBlur(), seed=4, count=2, size=(32, 32))
    make_part(plan, tmp_path / "a", parts=range(1))
    write(photos / "0.png", texture(9))
    make_part(StillsPlan((photos,), StillsBlur(), seed=4, count=2, size=(32, 32)), tmp_path / "b", parts=range(1, 2))
    with pytest.raises(InputError, match="have changed"), DataSetFolder(tmp_path / "joined") as folder:
        join(plan, [tmp_path / "a", tmp_path / "b"], folder=folder, version=VERSION)
    assert not (tmp_path / "joined").exists()
