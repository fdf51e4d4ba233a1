"""Figures: the right pixels at the right places, with the PSNR of the crop, of what a run keeps."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from unblur.bench import figure
from unblur.bench.contender import open_contender
from unblur.bench.datasets import open_data
from unblur.bench.figure import Panel, Place, Subject, draw_figure, read_place, write_figure, write_figure_of_folders
from unblur.bench.run import run_bench
from unblur.errors import InputError, OutputError
from unblur.metrics import protocols

CROP = Place("clip1", "001", 8, 4, 20, 16)


def plain(value):
    return np.full((40, 48, 3), value, np.uint8)


def subject(*values, place=CROP):
    panels = tuple(Panel(f"panel {number}", plain(value)) for number, value in enumerate(values))
    return Subject("a picture", place, panels)


def areas(picture, colour):
    """Left, top, width, height and pixels of each connected area of a colour, from left to right."""
    found, _, stats, _ = cv2.connectedComponentsWithStats((np.asarray(picture) == colour).all(axis=2).astype(np.uint8))
    return sorted(tuple(stat.tolist()) for stat in stats[1:found] if stat[4] > 500)


@pytest.fixture
def kept(pairs, trained, tmp_path):
    """A run that keeps what two networks restored, and its data."""
    data = open_data(str(pairs))
    contenders = [open_contender(str(trained(seed)), called=f"net {seed}", device="cpu", precision="fp32") for seed in (1, 2)]
    run_bench([open_contender("blurry"), *contenders], [data], [protocols.get("gopro-skimage")], run=tmp_path / "run", save_pictures=True)
    return tmp_path / "run", data


@pytest.fixture
def drawn(monkeypatch):
    """What was handed to `draw_figure`."""
    subjects = []
    draw = figure.draw_figure
    monkeypatch.setattr(figure, "draw_figure", lambda given: subjects.extend(given) or draw(given))
    return subjects


def test_places_are_read():
    assert read_place("frame_7.png:0,10,64,48") == Place("", "frame_7.png", 0, 10, 64, 48)
    assert read_place("a/b/3:1,2,3,4") == Place("a/b", "3", 1, 2, 3, 4)
    assert read_place("C:1:1,2,3,4").name == "C:1"


@pytest.mark.parametrize("text", ["", "3", "3:1,2,3", "3:1,2,3,4,5", "3:-1,2,3,4", "3:1,2,x,4", ":1,2,3,4", "3:0,0,0,4", "3:0,0,4,0"])
def test_what_is_no_place_is_an_error(text):
    with pytest.raises(InputError, match=r"is no place|is empty"):
        read_place(text)


def test_every_crop_is_drawn_once_beside_the_whole_picture_with_its_box():
    picture = draw_figure([subject(10, 110, 210)])
    (first,), (second,) = areas(picture, (10,) * 3), areas(picture, (110,) * 3)
    whole, inside, last = areas(picture, (210,) * 3)
    assert first[0] < second[0] < last[0]
    assert {first[1], second[1], last[1]} == {whole[1]}
    assert first[2:] == second[2:] == last[2:]
    assert first[2] / first[3] == pytest.approx(20 / 16, rel=0.02)
    assert first[4] == first[2] * first[3]
    assert whole[2] / whole[3] == pytest.approx(48 / 40, rel=0.02)
    scale = whole[2] / 48
    assert [inside[0] - whole[0], inside[1] - whole[1]] == pytest.approx([8 * scale, 4 * scale], abs=3)
    assert inside[2:4] == pytest.approx((20 * scale, 16 * scale), abs=3)
    assert picture.size[0] == max(picture.size[0], last[0] + last[2])


def test_crops_show_what_is_in_the_box():
    sharp = plain(0)
    sharp[4:20, 8:18], sharp[4:20, 18:28] = 200, 100
    picture = draw_figure([Subject("halves", CROP, (Panel("blurry", plain(50)), Panel("reference", sharp)))])
    ((left, top, width, height, _),) = areas(picture, (50,) * 3)
    start = left + width + figure._GAP  # of the reference
    levels = np.asarray(picture)[top + height // 2, :, 0]
    assert [levels[start + round(share * width)] for share in (0.02, 0.25, 0.75, 0.98)] == [200, 200, 100, 100]


def test_subjects_stand_below_each_other():
    one, both = draw_figure([subject(10, 210)]), draw_figure([subject(10, 210), subject(60, 160)])
    assert both.size == (one.size[0], 2 * one.size[1] - figure._MARGIN)
    assert areas(both, (60,) * 3)[0][1] > areas(both, (10,) * 3)[0][1]


@pytest.mark.parametrize(("count", "grid"), [(2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (5, (1, 5)), (6, (2, 3)), (7, (2, 4)), (9, (3, 3))])
def test_rows_and_columns(count, grid):
    assert figure._grid(count) == grid
    values = [10 + 15 * number for number in range(count)]
    crops = [areas(draw_figure([subject(*values)]), (value,) * 3)[0] for value in values[:-1]]
    assert len({crop[1] for crop in crops}) in (grid[0], grid[0] - 1)  # of a last row with the reference alone
    assert len({crop[0] for crop in crops}) == min(grid[1], count - 1)


def test_psnr_is_that_of_the_crop():
    assert figure._psnr(plain(100), plain(110)) == f"{20 * np.log10(255 / 10):.2f}"
    assert figure._psnr(plain(7), plain(7)) == "∞"


def test_a_figure_of_what_a_run_keeps(kept, drawn, tmp_path):
    run, data = kept
    write_figure([run], data, [CROP, Place("clip0", "002.png", 0, 0, 48, 40)], tmp_path / "figure.png")
    one, other = drawn
    assert (one.title, other.title) == ("clip1, 001", "clip0, 002")
    assert [panel.label for panel in one.panels] == ["Blurry", "net 1", "net 2", "Reference"]
    sample = next(sample for sample in data.samples if (sample.sequence, sample.frame) == ("clip1", 1))
    for panel, path in ((one.panels[0], sample.reference), (one.panels[-1], sample.sharp[0])):
        assert np.array_equal(panel.picture, cv2.imread(str(path))[..., ::-1])
    files = sorted((run / "pictures").glob("net-*/pairs/clip1/001.png"))
    assert len(files) == 2
    for panel, file in zip(one.panels[1:3], files, strict=True):
        assert np.array_equal(panel.picture, cv2.imread(str(file))[..., ::-1])
    assert not np.array_equal(one.panels[1].picture, one.panels[2].picture)
    with Image.open(tmp_path / "figure.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
    with pytest.raises(OutputError):
        write_figure([run], data, [CROP], tmp_path / "figure.png")


def test_methods_are_chosen_ordered_and_labelled(kept, drawn, tmp_path):
    run, data = kept
    write_figure([run], data, [CROP], tmp_path / "a.png", methods={"net 2": "Ours", "net 1": "net 1"})
    assert [panel.label for panel in drawn[0].panels] == ["Blurry", "Ours", "net 1", "Reference"]
    with pytest.raises(InputError, match=r"`net 3` was not measured on `001\.png`; choose from `net 1`, `net 2`"):
        write_figure([run], data, [CROP], tmp_path / "b.png", methods={"net 3": "net 3"})


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place("clip1", "001", 30, 4, 20, 16), "ends at 50,20, beyond the picture's 48x40 pixels"),
        (Place("", "001", 0, 0, 4, 4), "several pictures of `pairs` are called `001`; name the sequence too, such as `clip0/001`"),
        (Place("clip1", "009", 0, 0, 4, 4), "has no picture `clip1/009`; the nearest is `clip1/00"),
    ],
)
def test_places_that_are_not_there(kept, place, words, tmp_path):
    with pytest.raises(InputError, match=words):
        write_figure([kept[0]], kept[1], [place], tmp_path / "figure.png")


def test_pictures_that_were_not_kept(kept, pairs, tmp_path):
    run, data = kept
    shutil.rmtree(run / "pictures")
    with pytest.raises(InputError, match=r"what `net 1` restored was not kept.*--save-pictures"):
        write_figure([run], data, [CROP], tmp_path / "figure.png")
    shutil.copytree(pairs, tmp_path / "others")
    with pytest.raises(InputError, match=r"no method was measured on `001\.png` of `others`"):
        write_figure([run], open_data(str(tmp_path / "others")), [CROP], tmp_path / "figure.png")


@pytest.fixture
def folders(tmp_path):
    """Blurry pictures of a clip without sharp ones, and what two methods made of them, one in another format."""
    for name, suffix, value in (("blurry", ".png", 40), ("first", ".png", 90), ("second", ".webp", 160)):
        for number in (1, 2):
            (tmp_path / name / "clip").mkdir(parents=True, exist_ok=True)
            lossless = {"lossless": True} if suffix == ".webp" else {}
            Image.fromarray(plain(value + 10 * number)).save(tmp_path / name / "clip" / f"{number:03}{suffix}", **lossless)
    return tmp_path


@pytest.mark.parametrize("name", ["002", "002.png"])
def test_a_figure_without_a_reference_has_the_blurry_picture_whole_and_no_psnr(folders, drawn, monkeypatch, name):
    lines = []
    monkeypatch.setattr(figure, "_write", lambda *given, **_: lines.append(given[2]))
    results = {"First": folders / "first", "Second": folders / "second"}
    write_figure_of_folders(folders / "blurry", results, [Place("clip", name, 8, 4, 20, 16)], folders / "figure.png")
    (one,) = drawn
    assert [(panel.label, int(panel.picture[0, 0, 0])) for panel in one.panels] == [("Blurry", 60), ("First", 110), ("Second", 180)]
    assert np.array_equal(one.whole, plain(60))
    assert lines == ["clip, 002", "Blurry", "First", "Second"]
    with Image.open(folders / "figure.png") as picture:
        assert [len(areas(picture.convert("RGB"), (value,) * 3)) for value in (60, 110, 180)] == [3, 1, 1]  # whole, inside its box, crop


def test_what_cannot_be_shown_without_a_reference_is_named(folders):
    write = write_figure_of_folders
    target, blurry, first = folders / "figure.png", folders / "blurry", folders / "first"
    with pytest.raises(InputError, match="restored pictures of one method at least"):
        write(blurry, {}, [Place("clip", "001", 0, 0, 4, 4)], target)
    with pytest.raises(InputError, match=r"first.clip` has no picture called `003`"):
        (blurry / "clip" / "003.png").write_bytes((blurry / "clip" / "001.png").read_bytes())
        write(blurry, {"First": first}, [Place("clip", "003", 0, 0, 4, 4)], target)
    with pytest.raises(InputError, match="beyond the picture's 48x40 pixels"):
        write(blurry, {"First": first}, [Place("clip", "001", 30, 0, 20, 4)], target)
    Image.fromarray(plain(0)[1:]).save(first / "clip" / "001.png")
    with pytest.raises(InputError, match="of another size than its blurry picture"):
        write(blurry, {"First": first}, [Place("clip", "001", 0, 0, 4, 4)], target)
    (first / "clip" / "002.tif").touch()
    with pytest.raises(InputError, match="has 2 pictures called `002`"):
        write(blurry, {"First": first}, [Place("clip", "002", 0, 0, 4, 4)], target)
    assert not target.exists()
