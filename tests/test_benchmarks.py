"""The benchmarks whose figures README states, on tiny data."""

import importlib
import json
import shutil
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import unblur

ROOT = Path(__file__).parents[1]


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


@pytest.fixture
def pairs(tmp_path):
    """Two pictures of squares, and the same smeared over nine pixels."""
    for number in range(2):
        squares = np.random.default_rng(number).integers(0, 256, (50, 60, 3), np.uint8)
        sharp = np.repeat(np.repeat(squares, 8, axis=0), 8, axis=1)  # (400, 480, 3)
        write(tmp_path / "pairs" / "sharp" / f"{number}.png", sharp)
        write(tmp_path / "pairs" / "blurry" / f"{number}.png", cv2.blur(sharp, (9, 1)))
    return tmp_path / "pairs"


@pytest.fixture
def clips(tmp_path):
    """Three frames of squares that move by six pixels, and the same smeared by as many."""
    squares = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    sharp = np.repeat(np.repeat(squares, 8, axis=0), 8, axis=1)
    for number in range(3):
        moved = np.roll(sharp, 6 * number, axis=1)
        write(tmp_path / "clips" / "moved" / "sharp" / f"{number}.png", moved)
        write(tmp_path / "clips" / "moved" / "blurry" / f"{number}.png", cv2.blur(moved, (6, 1)))
    return tmp_path / "clips"


@pytest.fixture
def told(monkeypatch, capsys):
    """What a benchmark prints, as words in lines."""
    monkeypatch.syspath_prepend(str(ROOT))

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        importlib.import_module(f"benchmarks.{name}").main()
        return [line.split() for line in capsys.readouterr().out.splitlines()]

    return run


def test_pairs_are_measured_as_they_are_compressed_and_enlarged(pairs, told):
    header, blurry, plain, textbook = told("quality", pairs, "--model", "swift", "--model", "unsharp", "--single-scale")
    assert header[6:12] == ["SSIM", "shifted", "shift", "GMSD", "detail", "coherent"]
    assert header[-2:] == ["s", "MiB"]
    assert blurry[:3] == ["(blurry)", "2", plain[2]]
    shift, gmsd, ratio, coherent = map(float, blurry[3:])
    assert shift == 0
    assert 1 > ratio > coherent > 0
    assert len({gmsd, float(plain[9]), float(textbook[9])}) == 3
    assert float(plain[10]) != ratio
    assert plain[:2] == ["swift", "2"]
    assert textbook[0] == "unsharp"
    assert textbook[2] == plain[2]  # before
    assert float(plain[4]) == pytest.approx(float(plain[3]) - float(plain[2]), abs=0.011)  # the gain, of rounded numbers
    _, _, compressed = told("quality", pairs, "--jpeg", "5", "--single-scale")
    assert float(compressed[2]) < float(plain[2])
    _, _, large = told("quality", pairs, "--enlarge", "1.1", "--self-ensemble", "2", "--single-scale")
    assert large[2] != plain[2]


def test_pairs_are_blurred_anew(pairs, told):
    _, _, known, mild = told("quality", pairs, "--blur", "moderate", "--pairs", "1", "--model", "wiener", "--model", "swift")
    assert known[:2] == ["wiener", "1"]
    assert mild[2] == known[2]
    _, _, nearly = told("quality", pairs, "--blur", "near-sharp", "--pairs", "1")
    assert float(nearly[2]) > float(mild[2])


def test_sharp_pictures_are_measured_as_well(pairs, told):
    (line,) = told("quality", pairs, "--given-sharp", "--single-scale")
    assert line[:3] == ["swift", "2", "mean"]
    assert 20 < float(line[-1]) <= float(line[3])  # the worst, and the mean


def test_clips_are_measured_as_they_are_compressed_and_sharp(clips, told):
    plain = told("quality_of_clips", clips, "--model", "swift_video", "--temporal-fusion")
    header, blurry, sharp, moved, mean = plain
    assert header[6:13] == ["SSIM", "shifted", "shift", "GMSD", "detail", "coherent", "worst"]
    assert blurry[:2] == ["(blurry)", "moved"]
    assert len(blurry) == 2 + 4 + 1  # shift, GMSD, detail, coherent, and the warping error
    assert len(sharp) == 2 + 1
    assert moved[:2] == ["swift_video", "moved"]
    assert mean[:2] == ["swift_video", "mean"]
    assert float(moved[4]) == pytest.approx(float(moved[3]) - float(moved[2]), abs=0.011)
    assert float(moved[12]) <= float(moved[5])  # the worst gain, and the median
    assert moved[13] == mean[3]  # the warping error
    compressed = told("quality_of_clips", clips, "--model", "swift_video", "--crf", "45")[3]
    assert float(compressed[2]) < float(moved[2])
    (kept,) = told("quality_of_clips", clips, "--given-sharp")
    assert float(kept[2]) > 20


def test_all_sets_are_measured_once_and_gone_on_with(pairs, clips, told, tmp_path, monkeypatch):
    data, output = tmp_path / "data", tmp_path / "measured"
    for name in ("photos", "gopro_stills"):
        shutil.copytree(pairs, data / name)
    for name in ("moved", "gopro"):
        shutil.copytree(clips / "moved", data / "clips" / name)
    arguments = ("all_sets", data, "--output", output, "--model", "swift", "--single-scale", "--precision", "fp32")
    chosen = [option for name in ("photos", "gopro_stills", "given-sharp", "gopro") for option in ("--set", name)]
    first = told(*arguments, *chosen, "--most", 1)
    assert [line[0] for line in first if line and line[0].startswith("**")] == [
        "**photos**,",
        "**gopro_stills**,",
        "**given-sharp**,",
        "**gopro**,",
    ]
    log = output / "rows.jsonl"
    assert log.read_text().count("\n") == 8  # four sets, blurry and restored; three frames in a line
    log.write_text(log.read_text()[:-9])  # as if it had been killed
    both = told(*arguments, *chosen)
    lines = [line for line in both if line[:2] == ["|", "swift"]]
    assert [line[3] for line in lines] == ["2", "2", "2", "1"]
    _, _, plain = told("quality", pairs, "--model", "swift", "--single-scale", "--precision", "fp32")
    assert lines[0][7] == plain[4]  # the gain
    before = log.read_text()
    monkeypatch.setattr("unblur.load", lambda *_, **__: pytest.fail("nothing is restored twice"))
    assert without_cost(told(*arguments, *chosen)) == without_cost(both)
    assert log.read_text() == before
    assert (output / "table.md").read_text().split() == [word for line in both for word in line]


def without_cost(lines):
    """A table without its last two columns."""
    return [line[:-4] for line in lines]


def test_real_pictures_are_drawn_and_measured(pairs, told, tmp_path):
    flat = np.full((64, 80, 3), 90, np.uint8)
    write(tmp_path / "photos" / "flat.png", flat)
    write(tmp_path / "truths" / "flat.png", flat + np.uint8(10))
    told("real", pairs / "blurry", "--output", tmp_path / "sheets", "--model", "swift")
    assert cv2.imread(str(tmp_path / "sheets" / "1.png")).shape[1] > 2 * 320  # a photo and its restoration, side by side
    lines = told("real", tmp_path / "photos", "--output", tmp_path / "others", "--truths", tmp_path / "truths", "--model", "swift")
    truth = next(line for line in lines if line[:2] == ["flat", "(truth)"])
    light = (100 / 90) ** 2.2
    assert [float(each) for each in (truth[2], *truth[6:])] == [10, 100, 10, 10]
    assert float(truth[3]) == pytest.approx(light, abs=6e-4)


def test_blind_sheets_hide_whose_result_is_whose_and_are_counted(pairs, told, tmp_path):
    sheets, answers = tmp_path / "sheets", tmp_path / "sheets" / "answers.csv"
    sides = "--results", f"truth={pairs / 'sharp'}", "--results", f"given={pairs / 'blurry'}"
    told("blind", pairs / "blurry", *sides, "--output", sheets, "--crops", "2", "--seed", "3")
    key = json.loads((sheets / "key.json").read_text())
    assert sorted(path.name for path in sheets.iterdir()) == ["001.png", "002.png", "answers.csv", "key.json"]  # 480x400: one crop fits
    assert answers.read_text().split() == ["sheet,answer", "001.png,", "002.png,"]
    for each in key:
        drawn = cv2.imread(str(sheets / each["name"]))
        for place, side in enumerate((each["left"], each["right"], "given")):
            source = cv2.imread(str(pairs / {"truth": "sharp", "given": "blurry"}[side] / each["photo"]))
            crop = source[each["top"] :, each["left_edge"] :][:384, :384]
            assert np.array_equal(drawn[20 : 20 + 384, 390 * place :][:, :384], crop)  # below a line of text, at 1:1
    answers.write_text("sheet,answer\n" + "".join(f"{each['name']},{'left' if each['left'] == 'truth' else 'right'}\n" for each in key))
    assert told("blind", "--reveal", sheets)[:4] == [["truth", "2"], ["given", "0"], ["(equal)", "0"], ["(not", "answered)", "0"]]
    answers.write_text("sheet,answer\n001.png,Equal\n002.png,\n")
    lines = told("blind", "--reveal", sheets)
    assert [line[-1] for line in lines] == ["0", "0", "1", "1", "1.00"]


def test_blind_order_is_drawn_by_the_seed(pairs, told, tmp_path):
    lefts = []
    for seed in (1, 1, 2, 3, 4, 5):
        sheets = tmp_path / f"sheets{len(lefts)}"
        sides = "--results", f"b={pairs / 'sharp'}", "--results", f"a={pairs / 'blurry'}"
        told("blind", pairs / "blurry", *sides, "--output", sheets, "--seed", seed)
        lefts.append("".join(each["left"] for each in json.loads((sheets / "key.json").read_text())))
    assert lefts[0] == lefts[1]
    assert len(set(lefts)) > 2


def test_blind_sheets_of_a_model_beside_results(pairs, told, tmp_path):
    told("blind", pairs / "blurry", "--model", "swift", "--results", f"truth={pairs / 'sharp'}", "--output", tmp_path / "s", "--seed", "0")
    key = json.loads((tmp_path / "s" / "key.json").read_text())
    assert {each["left"] for each in key} | {each["right"] for each in key} == {"swift", "truth"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--model", "swift"], "between two"),
        (["--model", "swift", "--model", "swift"], "between two"),
        (["--results", "elsewhere", "--model", "swift"], "NAME=FOLDER"),
        (["--results", "a={other}", "--results", "b={pairs}/sharp"], "holds 0 pictures named `0`"),
        (["--results", "a={pairs}/blurry", "--results", "b={small}"], "has 60x50 pixels"),
    ],
)
def test_what_is_wrong_with_a_blind_comparison_is_said(pairs, told, tmp_path, capsys, change, words):
    (tmp_path / "other").mkdir()
    for number in range(2):
        write(tmp_path / "small" / f"{number}.png", np.zeros((50, 60, 3), np.uint8))
    change = [word.format(other=tmp_path / "other", small=tmp_path / "small", pairs=pairs) for word in change]
    with pytest.raises(SystemExit):
        told("blind", pairs / "blurry", *change, "--output", tmp_path / "sheets", "--seed", "0")
    assert words in capsys.readouterr().err


def test_an_answer_that_cannot_be_read_is_an_error(pairs, told, tmp_path, capsys):
    sides = "--results", f"truth={pairs / 'sharp'}", "--results", f"given={pairs / 'blurry'}"
    told("blind", pairs / "blurry", *sides, "--output", tmp_path / "sheets", "--seed", "0")
    (tmp_path / "sheets" / "answers.csv").write_text("sheet,answer\n001.png,truth\n")
    with pytest.raises(SystemExit):
        told("blind", "--reveal", tmp_path / "sheets")
    assert "line 2" in capsys.readouterr().err


@pytest.mark.parametrize(("counts", "expected"), [((0, 0), 1), ((3, 3), 1), ((5, 0), 2 / 32), ((1, 5), 2 * 7 / 64)])
def test_chance_of_a_sign_test_by_hand(monkeypatch, counts, expected):
    monkeypatch.syspath_prepend(str(ROOT))
    assert importlib.import_module("benchmarks.blind").chance(*counts) == pytest.approx(expected)


def test_the_largest_squares_do_not_overlap(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    change = np.zeros((20, 30), np.float32)
    change[3:8, 2:7], change[10:15, 20:25] = 1, 2
    largest = importlib.import_module("benchmarks.real").largest
    assert largest(change, side=5, count=2) == [(10, 20), (3, 2)]
    assert len(largest(change, side=20, count=9)) == 1


@pytest.fixture
def soak(monkeypatch):
    """The module, whose child processes find the program where this one has found it."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", str(Path(unblur.__file__).parents[1]))
    return importlib.import_module("benchmarks.soak")


@pytest.mark.usefixtures("soak")
def test_nothing_is_lost_by_kills(told):
    lines = told("soak", "--seed", 1, "--files", 8, "--frames", 40, "--size", "32x24", "--kills", 1)
    said = [" ".join(line) for line in lines]
    assert said[0] == "8 files and a clip of 40 frames of 32x24, swift, seed 1"
    killed = next(line for line in lines if line[:1] == ["killed"])
    assert sum(map(int, killed[1::4])) <= 1
    for row in ("inputs changed", "files lost", "photos differing", "frames differing", "files left over"):
        assert f"{row} 0" in said


def test_what_kills_have_cost_is_found(soak, tmp_path, capsys):
    generator = np.random.default_rng(0)
    make = importlib.import_module("benchmarks.mixed_files").write_clip
    before, after = (soak.Run([], tmp_path / name) for name in ("before", "after"))
    for run in (before, after):
        run.output.mkdir()
        for name in ("same.txt", "other.txt"):
            (run.output / name).write_text(name)
        make(run.output / "clip.mp4", frames=5, size=(32, 24), generator=np.random.default_rng(1))
    assert soak._report(before, after, soak.Toll(), changed=[], is_recurrent=False) == []
    assert soak._report(before, after, soak.Toll(), changed=["a.jpg"], is_recurrent=False) == ["inputs"]
    assert soak._report(before, after, soak.Toll(vanished={"a.jpg"}), changed=[], is_recurrent=False) == ["files"]
    assert soak._report(before, after, soak.Toll(lost_frames=3), changed=[], is_recurrent=False) == ["frames"]
    assert soak._report(before, after, soak.Toll(endured=60.0), changed=[], is_recurrent=False) == ["time, as the process did not end"]
    make(after.output / "clip.mp4", frames=4, size=(32, 24), generator=generator)
    assert soak._report(before, after, soak.Toll(), changed=[], is_recurrent=False) == ["frames"]
    assert soak._report(before, after, soak.Toll(), changed=[], is_recurrent=True) == []
    (after.output / "other.txt").write_text("broken")
    (after.output / ".same.txt.partial").touch()
    capsys.readouterr()
    assert soak._report(before, after, soak.Toll(), changed=[], is_recurrent=True) == ["files"]
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "photos differing 1" in said
    assert "files left over 1" in said
    assert "frames differing 5 (a recurrent network: its state begins anew where a clip is gone on with)" in said
    (after.output / "same.txt").unlink()
    after.failed = ["same.txt"]
    assert soak._report(before, after, soak.Toll(), changed=[], is_recurrent=True) == ["files"]
    assert "files lost 1" in " ".join(capsys.readouterr().out.split())


def test_a_soak_that_lost_something_says_so_and_fails(soak, told, monkeypatch):
    monkeypatch.setattr(soak.Run, "to_its_end", lambda run: (run.output / "a").mkdir(parents=True))
    monkeypatch.setattr(soak, "_kill", lambda *_, **__: soak.Toll(lost_frames=1))
    with pytest.raises(SystemExit, match="lost: frames"):
        told("soak", "--seed", 0, "--files", 1, "--frames", 2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL, and no signals that ask another process to end")
def test_a_process_is_killed_when_and_how_it_is_asked_for(soak, tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert 0 <= soak.Run(sleeper, tmp_path).killed(after=0.2, by=signal.SIGTERM, at_work=False) < 30
    assert soak.Run([sys.executable, "-c", ""], tmp_path).killed(after=60, by=signal.SIGKILL, at_work=True) is None
    writer = [sys.executable, "-c", f"import time; time.sleep(1); open({str(tmp_path / 'a')!r}, 'w'); time.sleep(60)"]
    assert soak.Run(writer, tmp_path).killed(after=0, by=signal.SIGKILL, at_work=True) < 30
    assert (tmp_path / "a").exists()


def test_files_are_drawn_by_the_seed_and_of_many_kinds(soak, tmp_path):
    drawn = []
    make = importlib.import_module("benchmarks.mixed_files").make_files
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        make(tmp_path / name, count=60, frames=3, size=(32, 24), generator=np.random.default_rng(seed))
        drawn.append({path: soak.digest(tmp_path / name / path) for path in soak.names(tmp_path / name) if not path.endswith(".mkv")})
    assert drawn[0] == drawn[1] != drawn[2]
    suffixes = {Path(path).suffix for path in drawn[0]}
    assert suffixes >= {".jpg", ".png", ".tif", ".webp", ".mp4"}
    assert suffixes & {".txt", ".bin", ".zip"}
    assert len(soak.names(tmp_path / "one")) == 61


def test_a_corpus_is_counted_by_what_becomes_of_each_file(tmp_path, told, monkeypatch):
    corpus = importlib.import_module("benchmarks.corpus")
    picture = np.zeros((8, 9, 3), np.uint8)
    for name in ("a.png", "sub/b.png", "c.jpg"):
        write(tmp_path / name, picture)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "d.png").write_bytes(data[:-20])
    (tmp_path / "e.png").write_bytes(data[:-30])
    (tmp_path / "notes.txt").write_text("nothing to see")
    said = [" ".join(line) for line in told("corpus", tmp_path, "--examples", "1")]
    assert {"read 3", "2 photo .png", "1 photo .jpg", "refused 2", "passed over 1", "crashed 0"} <= set(said)
    assert "2 `…` is broken off; copy it again from where it came" in said
    assert str(tmp_path / "d.png") in said
    found = json.loads(" ".join(" ".join(line) for line in told("corpus", tmp_path, "--json")))
    assert found["read"] == {"photo .png": 2, "photo .jpg": 1}
    assert list(found["refused"].values()) == [[str(tmp_path / "d.png"), str(tmp_path / "e.png")]]
    monkeypatch.setattr(corpus, "read_image", lambda path: {}[path])
    with pytest.raises(SystemExit):
        told("corpus", tmp_path / "a.png")


@pytest.mark.slow
def test_exports_are_compared_with_torch(told):
    pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    pytest.importorskip("openvino", reason="the extra `export` is not installed")
    _, onnx, openvino = told("exports", "--networks", "swift", "--side", "32")
    assert [(line[0], line[1], line[4]) for line in (onnx, openvino)] == [("swift", "32x32", "onnx"), ("swift", "32x32", "openvino")]
    assert max(float(onnx[5]), float(openvino[5])) < 1e-3
    assert max(float(onnx[6]), float(openvino[6])) < 1e-3
    assert min(float(onnx[7]), float(openvino[7])) > 0


@pytest.mark.slow
@pytest.mark.usefixtures("soak")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone says here what a process takes")
def test_memory_of_the_page_is_measured(told):
    pytest.importorskip("gradio", reason="the extra `web` is not installed")
    said = told("page", "--jobs", 3, "--quality", "fast", "--size", "32x24")
    assert said[0][:2] == ["3", "files,"]
    first, last = said[2:]
    assert (first[:2], last[:2]) == (["second", "fifth"], ["last", "fifth"])
    assert min(float(first[2]), float(last[2])) > 50


def test_weights_of_maxim_are_compared_as_parts_of_swift_fused(pairs, told, tmp_path):
    for path in sorted((pairs / "sharp").iterdir())[:1]:
        path.unlink()
        (pairs / "blurry" / path.name).unlink()
    arguments = pairs, "--cache", tmp_path / "cache", "--middle", 64
    head, one = told("fusing", *arguments)
    assert head == ["alone", "(worst)", "fused", "strong", "weak", "worst", "shifted", "bound"]
    alone, least, fused, strong, weak, worst, _, bound = (word.strip("()") for word in one[2:])
    assert (alone, fused) == (least, worst)  # of one pair
    assert sorted([strong, weak]) == sorted([fused, "-"])
    assert float(bound) >= max(float(alone), float(fused))  # no weights do better
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.pt")}
    assert told("fusing", *arguments)[1] == one
    smaller = told("fusing", *arguments, "--scale", 0.75)[1]
    assert smaller[:2] == one[:2]
    assert smaller != one
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_the_time_of_a_network_is_split_by_operator(told):
    lines = told("by_operator", "--model", "swift", "--model", "swift_video", "--size", "48x48", "--rows", "5")
    titles = [line for line in lines if line[-1:] == ["s"]]
    assert [title[:2] for title in titles] == [["swift,", "1x3x48x48:"], ["swift_video,", "1x3x3x48x48:"]]
    (convolution, other) = [line for line in lines if line[1:2] == ["convolution"]]
    for row in (convolution, other):
        calls, share, rate, of_peak = (float(row[place].rstrip("%")) for place in (3, 5, 7, 9))
        assert calls > 10
        assert 0 < share <= 100
        assert rate > 0
        assert of_peak >= 0
    assert sum(line[1:2] == ["all"] for line in lines) == 2


def test_gains_by_the_kind_of_motion_as_they_lie_and_shifted(told, tmp_path):
    coarse = np.random.default_rng(1).integers(20, 236, (40, 40, 3), np.uint8)
    write(tmp_path / "photos" / "a.png", cv2.resize(coarse, (320, 320), interpolation=cv2.INTER_CUBIC))
    head, *lines = told("kinds", tmp_path / "photos", "--weights", "swift", "--count", "2", "--size", "96", "--length", "3,6")
    assert head == ["blurry", "swift"]
    assert [line[0] for line in lines] == ["straight", "jerky", "layers", "stills"]
    for _, before, plain, shifted in lines:
        assert float(before) > 10
        assert abs(float(plain.rstrip(","))) < 10
        assert abs(float(shifted)) < 10
