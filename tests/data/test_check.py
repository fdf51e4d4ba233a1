import cv2
import numpy as np
import pytest
import trees

from unblur.data.check import check_data
from unblur.errors import InputError


@pytest.mark.parametrize("name", sorted(trees.ALL))
@pytest.mark.parametrize("decode", [False, True])
def test_whole_trees_are_well(name, decode, tmp_path):
    report = check_data(trees.ALL[name](tmp_path), decode=decode)
    assert report.layout == name
    assert report.problems == ()
    assert all(part.pairs and part.sizes == {(16, 12): part.pairs} for part in report.parts)


def test_counts_of_each_part(tmp_path):
    report = check_data(trees.gopro(tmp_path))
    assert [(part.name, part.pairs, part.sequences) for part in report.parts] == [
        ("train, blur", 6, 2),
        ("train, blur_gamma", 6, 2),
        ("test, blur", 3, 1),
        ("test, blur_gamma", 3, 1),
    ]
    assert [part.published for part in report.parts] == [2103, 2103, 1111, 1111]  # 3,214 pairs of each kind
    assert "test, blur: 3 pairs, 1111 were published" in report.notes


def test_counts_of_dvd(tmp_path):
    report = check_data(trees.dvd(tmp_path))
    assert [(part.name, part.pairs, part.sequences, part.published) for part in report.parts] == [
        ("train", 4, 2, 5708),
        ("test", 2, 1, 1000),
    ]


def test_missing_odd_and_broken_files_are_named(tmp_path):
    root = trees.gopro(tmp_path)
    clip = root / "test" / "GOPR0384_11_00"
    (clip / "sharp" / "000009.png").unlink()
    (clip / "sharp" / "000010.png").write_bytes(b"no picture")
    trees.picture(clip / "blur" / "000008.png", size=(20, 12))
    (clip / "notes.exe").write_bytes(b"what is this")
    problems = " | ".join(check_data(root).problems)
    assert "`test/GOPR0384_11_00/blur/000009.png` has no partner" in problems
    assert "000010.png` is not a picture" in problems
    assert "`test/GOPR0384_11_00/blur/000008.png` is 20×12, its truth 16×12" in problems
    assert "`test/GOPR0384_11_00/notes.exe` does not belong here" in problems
    assert "blur_gamma/000008" not in problems


def test_decoding_finds_what_is_broken_off_or_black(tmp_path):
    root = trees.bsd(tmp_path)
    path = root / "train/000/Blur/RGB/00000000.png"
    path.write_bytes(path.read_bytes()[:-40])
    cv2.imwrite(str(root / "test/000/Sharp/RGB/00000001.png"), np.zeros((12, 16, 3), np.uint8))
    assert check_data(root).problems == ()
    problems = " | ".join(check_data(root, decode=True).problems)
    assert "train/000/Blur/RGB/00000000.png" in problems
    assert "test/000/Sharp/RGB/00000001.png` shows nothing" in problems


def test_a_line_of_a_list_whose_picture_is_missing_is_named(tmp_path):
    root = trees.realblur(tmp_path)
    next(root.rglob("gt_10.png")).unlink()
    assert any("gt_10.png` is missing" in problem for problem in check_data(root).problems)


def test_holes_in_a_sequence_are_noted(tmp_path):
    root = trees.gopro(tmp_path)
    for kind in ("blur", "blur_gamma", "sharp"):
        (root / "train/GOPR0372_07_00" / kind / "000009.png").unlink()
    report = check_data(root)
    assert report.problems == ()
    assert "train, blur: GOPR0372_07_00 skips 1 number(s), the first 9" in report.notes


def test_data_sets_made_here_are_not_measured_by_published_counts(tmp_path):
    root = trees.gopro(tmp_path)
    (root / "manifest.json").write_text("{}")
    (root / "train/GOPR0372_07_00/motion").mkdir()
    (root / "train/GOPR0372_07_00/motion/000008.npz").write_bytes(b"")
    report = check_data(root)
    assert report.problems == ()
    assert report.notes == ()
    assert {part.published for part in report.parts} == {None}


def test_layout_without_pairs_is_wrong(tmp_path):
    trees.picture(tmp_path / "train" / "a" / "sharp" / "1.png")
    problems = check_data(tmp_path).problems
    assert any("not one pair" in problem for problem in problems)
    assert any("has no partner" in problem for problem in problems)


def test_unknown_layout_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of the layouts"):
        check_data(tmp_path)
