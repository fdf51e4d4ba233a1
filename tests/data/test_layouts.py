import shutil

import pytest
import trees

from unblur.data import layouts
from unblur.data.check import check_data
from unblur.data.layouts import DVD_TEST, Sample, find_layout, read_layout, windows
from unblur.errors import InputError


def names(samples):
    return [(sample.sequence, sample.frame, sample.reference.name, sample.sharp[0].name) for sample in samples]


@pytest.mark.parametrize("name", sorted(trees.ALL))
def test_every_layout_is_recognised_and_all_its_parts_read(name, tmp_path):
    root = trees.ALL[name](tmp_path)
    layout = find_layout(root)
    assert layout.name == name
    for choice in layout.choices:
        if choice.get("blur") == "input" or "exposure" in choice:
            continue  # of repacked trees, below
        samples = read_layout(name, root, choice=choice)
        assert samples
        for sample in samples:
            assert all(path.is_file() for path in (*sample.blurry, *sample.sharp))
            assert set(sample.blurry).isdisjoint(sample.sharp)


@pytest.mark.parametrize("blur", ["blur", "blur_gamma"])
def test_gopro_blur_is_chosen_and_frames_count_from_0(tmp_path, blur):
    samples = layouts.gopro(trees.gopro(tmp_path), split="train", blur=blur)
    assert names(samples)[:4] == [
        ("GOPR0372_07_00", 0, "000008.png", "000008.png"),
        ("GOPR0372_07_00", 1, "000009.png", "000009.png"),
        ("GOPR0372_07_00", 2, "000010.png", "000010.png"),
        ("GOPR0374_11_00", 0, "000008.png", "000008.png"),
    ]
    assert {sample.reference.parent.name for sample in samples} == {blur}
    assert len(layouts.gopro(tmp_path, split="test", blur=blur)) == 3


def test_gopro_has_no_default_blur(tmp_path):
    with pytest.raises(TypeError, match="blur"):
        layouts.gopro(trees.gopro(tmp_path), split="train")


def test_dvd_is_divided_as_published(tmp_path):
    root = trees.dvd(tmp_path)
    assert {sample.sequence for sample in layouts.dvd(root, split="test")} == {"IMG_0003"}
    assert {sample.sequence for sample in layouts.dvd(root, split="train")} == {"IMG_0001", "720p_240fps_1"}
    sorted_copy = tmp_path / "sorted"
    shutil.copytree(root / "quantitative_datasets" / "IMG_0001", sorted_copy / "test" / "IMG_0001")
    assert {sample.sequence for sample in layouts.dvd(sorted_copy, split="test")} == {"IMG_0001"}


def test_the_71_clips_of_dvd_are_61_for_training_and_10_for_testing(tmp_path):
    for sequence in (*DVD_TEST, *(f"clip_{number:02d}" for number in range(61))):
        for kind in ("input", "GT"):
            trees.picture(tmp_path / "quantitative_datasets" / sequence / kind / "00000.jpg")
    assert {sample.sequence for sample in layouts.dvd(tmp_path, split="test")} == set(DVD_TEST)
    assert len(layouts.dvd(tmp_path, split="test")) == 10
    assert len(layouts.dvd(tmp_path, split="train")) == 61


def test_reds_is_read_as_unpacked_or_as_laid_together(tmp_path):
    root = trees.reds(tmp_path / "flat")
    plain = layouts.reds(root, split="train")
    assert plain[0].reference.parent.parent.name == "train_blur"
    assert layouts.reds(root, split="train", blur="blur_comp")[0].reference.parent.parent.name == "train_blur_comp"
    for split in ("train", "val"):
        for kind in ("blur", "sharp"):
            shutil.copytree(root / f"{split}_{kind}", tmp_path / "nested" / split / f"{split}_{kind}")
    assert names(layouts.reds(tmp_path / "nested", split="train")) == names(plain)
    assert find_layout(tmp_path / "nested").name == "reds"


def test_realblur_goes_by_its_lists_in_the_order_of_numbers(tmp_path):
    root = trees.realblur(tmp_path)
    samples = layouts.realblur(root, kind="J", split="train")
    assert names(samples) == [
        ("scene001", 0, "blur_1.png", "gt_1.png"),
        ("scene001", 1, "blur_2.png", "gt_2.png"),
        ("scene001", 2, "blur_10.png", "gt_10.png"),
    ]
    assert "RealBlur-R" in str(layouts.realblur(root, kind="R", split="test")[0].reference)
    listed = root / "RealBlur_J_train_list.txt"
    listed.write_text("only/one.png\n")
    with pytest.raises(InputError, match="line 1: two paths"):
        layouts.realblur(root, kind="J", split="train")
    listed.unlink()
    with pytest.raises(InputError, match=r"RealBlur_J_train_list.txt` is missing"):
        layouts.realblur(root, kind="J", split="train")


def test_hide_parts_share_one_folder_of_truths(tmp_path):
    root = trees.hide(tmp_path)
    assert names(layouts.hide(root, split="test")) == [("test-close-ups", 0, "2.png", "2.png"), ("test-long-shot", 0, "3.png", "3.png")]
    assert names(layouts.hide(root / "HIDE_dataset", split="train")) == [("train", 0, "1.png", "1.png")]


def test_kohler_has_all_truths_of_a_path_in_order(tmp_path):
    samples = layouts.kohler(trees.kohler(tmp_path))
    assert [(sample.sequence, sample.frame) for sample in samples] == [("image1", 0), ("image1", 11), ("image4", 1)]
    assert [path.name for path in samples[1].sharp] == [f"GroundTruth1_12_{instant}.png" for instant in (1, 2, 10)]


def test_bsd_takes_the_pictures_and_not_the_raw(tmp_path):
    root = trees.bsd(tmp_path)
    trees.picture(root / "train" / "000" / "Blur" / "RAW" / "00000000.png")
    samples = layouts.bsd(root, split="train")
    assert {sample.reference.parent.name for sample in samples} == {"RGB"}
    assert len(samples) == 2


def test_frames_are_ordered_by_number(tmp_path):
    for number in (1, 2, 10):
        for kind in ("blur", "sharp"):
            trees.picture(tmp_path / "train" / "a" / kind / f"{number}.png")
    assert [sample.reference.stem for sample in layouts.gopro(tmp_path, split="train", blur="blur")] == ["1", "2", "10"]


def test_frames_without_partner_are_not_samples(tmp_path):
    root = trees.gopro(tmp_path)
    (root / "test/GOPR0384_11_00/sharp/000009.png").unlink()
    assert [sample.reference.stem for sample in layouts.gopro(root, split="test", blur="blur")] == ["000008", "000010"]


def test_windows_have_the_reference_in_the_middle_and_stay_in_their_sequence(tmp_path):
    samples = layouts.gopro(trees.gopro(tmp_path), split="train", blur="blur")
    dropped = windows(samples, num_frames=3, edges="drop")
    assert [(sample.sequence, sample.frame) for sample in dropped] == [("GOPR0372_07_00", 1), ("GOPR0374_11_00", 1)]
    for sample in dropped:
        assert [path.stem for path in sample.blurry] == ["000008", "000009", "000010"]
        assert {path.parent.parent.name for path in (*sample.blurry, *sample.sharp)} == {sample.sequence}
        assert sample.reference.stem == sample.sharp[0].stem
    repeated = windows(samples, num_frames=3, edges="repeat")
    assert len(repeated) == len(samples)
    assert [path.stem for path in repeated[0].blurry] == ["000008", "000008", "000009"]
    assert windows(samples, num_frames=1, edges="drop") == samples


def test_windows_of_even_or_too_many_frames_are_refused(tmp_path):
    samples = layouts.gopro(trees.gopro(tmp_path), split="train", blur="blur")
    for count in (0, 2):
        with pytest.raises(InputError, match="odd"):
            windows(samples, num_frames=count, edges="repeat")
    with pytest.raises(InputError, match="no sequence has 5"):
        windows(samples, num_frames=5, edges="drop")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        find_layout(tmp_path / "gone")
    with pytest.raises(InputError, match="none of the layouts"):
        find_layout(tmp_path)
    with pytest.raises(InputError, match="GoPro, test, blur"):
        layouts.gopro(tmp_path, split="test", blur="blur")
    with pytest.raises(InputError, match="no layout `imagenet`"):
        read_layout("imagenet", tmp_path, choice={})


def test_reference_of_one_frame_is_that_frame(tmp_path):
    path = tmp_path / "a.png"
    assert Sample((path,), (path,), "a", 0).reference == path


# As people have them


@pytest.mark.parametrize("inside", ["", "GoPro"])
@pytest.mark.parametrize(
    ("blurry", "sharp", "choice"), [("input", "target", "input"), ("blur", "sharp", "blur"), ("input_crops", "target_crops", "input")]
)
def test_repacked_gopro(tmp_path, inside, blurry, sharp, choice):
    stems = ["GOPR0384_11_00-000010", "GOPR0384_11_00-000009", "GOPR0385_11_01_000001", "alone"]
    for kind in (blurry, sharp):
        for stem in stems:
            trees.picture(tmp_path / "test" / inside / kind / f"{stem}.png")
    assert find_layout(tmp_path).name == "gopro"
    samples = read_layout("gopro", tmp_path, choice={"split": "test", "blur": choice})
    assert [(sample.sequence, sample.frame, sample.reference.stem) for sample in samples] == [
        ("GOPR0384_11_00", 0, "GOPR0384_11_00-000009"),
        ("GOPR0384_11_00", 1, "GOPR0384_11_00-000010"),
        ("GOPR0385_11_01", 0, "GOPR0385_11_01_000001"),
        ("alone", 0, "alone"),
    ]
    assert {sample.reference.parent.name for sample in samples} == {blurry}
    assert {sample.sharp[0].parent.name for sample in samples} == {sharp}
    with pytest.raises(InputError, match=f"it holds `test, {choice}`"):
        read_layout("gopro", tmp_path, choice={"split": "test", "blur": "blur_gamma"})


def test_clips_without_truth_are_no_pairs(tmp_path):
    root = trees.dvd(tmp_path / "dvd")
    trees.picture(root / "qualitative_datasets" / "alley" / "input" / "00000.jpg")
    assert len(layouts.dvd(root, split="test")) == 2
    report = check_data(root)
    assert report.problems == ()
    assert any("`qualitative_datasets`: 1 files" in note for note in report.notes)
    shutil.rmtree(root / "quantitative_datasets")
    for place in (root, root / "qualitative_datasets"):
        with pytest.raises(InputError, match="clips of DVD that have no truth"):
            layouts.dvd(place, split="test")


@pytest.mark.parametrize("inside", ["test", ""])
def test_reds_test_has_no_truth(tmp_path, inside):
    root = trees.reds(tmp_path)
    trees.picture(root / inside / "test_blur" / "000" / "00000000.png")
    assert check_data(root).problems == ()
    with pytest.raises(InputError, match="was never published"):
        layouts.reds(root, split="test")


def test_bsd_with_raw_and_its_exposures(tmp_path):
    for exposure in ("1ms8ms", "2ms16ms", "3ms24ms"):
        part = trees.bsd(tmp_path / f"BSD_{exposure}")
        trees.picture(part / "train" / "000" / "Blur" / "Raw" / "00000000.tiff")
    assert find_layout(tmp_path).name == "bsd"
    samples = read_layout("bsd", tmp_path, choice={"split": "train", "exposure": "2ms16ms"})
    assert len(samples) == 2
    assert "BSD_2ms16ms" in samples[0].reference.parts
    with pytest.raises(InputError, match="exposures 1ms8ms, 2ms16ms, 3ms24ms of BSD; choose one"):
        layouts.bsd(tmp_path, split="train")
    report = check_data(tmp_path)
    assert report.problems == ()
    assert [part.name for part in report.parts][:2] == ["train, 1ms8ms", "valid, 1ms8ms"]
    assert len(report.parts) == 9


def test_a_wrong_layout_says_which_is_nearest(tmp_path):
    root = trees.dvd(tmp_path / "dvd")
    with pytest.raises(InputError, match=r"has the layout of dvd: DIR/quantitative_datasets"):
        read_layout("gopro", root, choice={"split": "test", "blur": "blur"})
    outer = trees.gopro(tmp_path / "outer" / "GOPRO_Large").parent
    with pytest.raises(InputError, match="GOPRO_Large` has the layout of gopro: name that folder"):
        find_layout(outer)
    with pytest.raises(InputError, match="GOPRO_Large` has the layout of gopro: name that folder"):
        find_layout(outer / "GOPRO_Large" / "train")
    near = trees.picture(tmp_path / "near" / "a" / "GT_1" / "1.png").parents[2]
    (near / "quantitative_datasets_old" / "x" / "input").mkdir(parents=True)
    with pytest.raises(InputError, match="the nearest is gopro, which is laid out as DIR/"):
        find_layout(near)
