import io
import sys

import numpy as np
import pytest
from PIL import Image


def jpeg(*, level=100):
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 24, 3), level, np.uint8)).save(buffer, format="JPEG", comment="a shaky cat")
    return buffer.getvalue()


@pytest.fixture
def piped_run(run, monkeypatch):
    """Runs `unblur ARGUMENTS` with bytes on standard input; gives exit code, bytes on standard output and text on standard error."""

    def call(data, *arguments):
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
        code, _, err = run(*arguments)
        return code, out.getvalue(), err

    return call


def test_photo_from_standard_input_to_standard_output(piped_run, tmp_path):
    code, out, err = piped_run(jpeg(), "-", "-o", "-", "--strength", 0)
    assert code == 0, err
    with Image.open(io.BytesIO(out)) as shown:
        assert (shown.format, shown.size, shown.info["comment"]) == ("JPEG", (24, 20), b"a shaky cat")
    assert list(tmp_path.iterdir()) == []


def test_either_can_be_a_file(piped_run, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    code, out, _ = piped_run(b"", "a.jpg", "--output", "-", "--strength", 0)
    assert (code, out[:3]) == (0, b"\xff\xd8\xff")
    code, out, _ = piped_run(jpeg(), "-", "-o", "b.png", "--strength", 0)
    assert (code, out) == (0, b"")
    with Image.open(tmp_path / "b.png") as shown:
        assert shown.size == (24, 20)


def test_a_file_of_that_name_is_reached_by_its_folder(piped_run, tmp_path):
    (tmp_path / "-").write_bytes(jpeg())
    code, out, err = piped_run(b"", "./-", "--strength", 0)
    assert (code, out) == (0, b""), err
    with Image.open(tmp_path / "-_unblurred.jpg") as shown:
        assert shown.size == (24, 20)


@pytest.mark.parametrize(
    ("data", "arguments", "said"),
    [
        (jpeg(), ["-"], "has no name for its result"),
        (jpeg(), ["-", "a.jpg", "-o", "-"], "one photo"),
        (jpeg(), ["-", "-o", "-", "--json"], "both go to standard output"),
        (b"no photo", ["-", "-o", "-"], "neither a photo nor a video"),
        (b"", ["-", "-o", "-"], "empty"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(piped_run, tmp_path, data, arguments, said):
    code, out, err = piped_run(data, *arguments)
    assert (code != 0, out) == (True, b"")
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_folders_have_names(piped_run, tmp_path):
    code, out, err = piped_run(b"", tmp_path, "-o", "-")
    assert (code != 0, out) == (True, b"")
    assert "by their names" in err
