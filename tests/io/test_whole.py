import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unblur.errors import OutputError
from unblur.io.whole import hidden_beside, make_folder, output_error, written_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_appears_only_when_whole(tmp_path):
    target = tmp_path / "sub" / "clip.mp4"
    with written_whole(target) as partial:
        partial.write_bytes(b"whole")
        assert not target.exists()
        assert partial.suffix == ".mp4"
        assert partial.parent == target.parent
    assert target.read_bytes() == b"whole"
    assert names(target.parent) == ["clip.mp4"]


def test_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError), written_whole(tmp_path / "photo.png") as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert names(tmp_path) == []


def test_existing_file_is_kept_unless_overwrite(tmp_path):
    target = tmp_path / "photo.png"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--overwrite"), written_whole(target):
        pytest.fail("the block must not run")
    assert target.read_bytes() == b"mine"
    with written_whole(target, overwrite=True) as partial:
        partial.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "photo.png"
    with pytest.raises(OutputError, match="exists"), written_whole(target):
        target.write_bytes(b"somebody else's")
    assert target.read_bytes() == b"somebody else's"
    assert names(tmp_path) == ["photo.png"]


def test_failed_overwrite_keeps_the_old_file(tmp_path):
    target = tmp_path / "photo.png"
    target.write_bytes(b"mine")
    with pytest.raises(RuntimeError), written_whole(target, overwrite=True) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"mine"


def test_folder_as_target_is_refused(tmp_path):
    with pytest.raises(OutputError, match="is a folder"), written_whole(tmp_path):
        pytest.fail("the block must not run")


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"), written_whole(tmp_path / "file" / "photo.png"):
        pytest.fail("the block must not run")


def test_disk_full_names_the_remedy(tmp_path):
    target = tmp_path / "clip.mp4"
    with pytest.raises(OutputError, match="disk is full"), written_whole(target) as partial:
        partial.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


@pytest.mark.parametrize(("code", "words"), [(errno.EACCES, "no permission"), (errno.EROFS, "no permission"), (errno.EIO, "cannot write")])
def test_messages(code, words):
    assert words in str(output_error(Path("x.png"), OSError(code, os.strerror(code))))


def test_what_a_killed_process_has_left_is_reused_and_removed(tmp_path):
    target = tmp_path / "clip.mp4"
    code = (
        "import os, sys; from pathlib import Path; from unblur.io.whole import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as partial: partial.write_bytes(b'half'); os._exit(9)"
    )
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == 9
    (left,) = names(tmp_path)
    assert left == ".clip.mp4.partial.mp4"
    with written_whole(target) as partial:
        assert partial.name == left
        assert partial.read_bytes() == b""
        partial.write_bytes(b"whole")
    assert names(tmp_path) == ["clip.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="no lock is held on Windows")
def test_two_do_not_write_the_same_target(tmp_path):
    target = tmp_path / "clip.mp4"
    with written_whole(target) as partial:
        partial.write_bytes(b"first")
        with pytest.raises(OutputError, match="another run is writing"), written_whole(target):
            pytest.fail("the block must not run")
        with written_whole(tmp_path / "clip.mkv") as other:
            other.write_bytes(b"another target")
    assert target.read_bytes() == b"first"
    with pytest.raises(RuntimeError), written_whole(target, overwrite=True):
        raise RuntimeError
    with written_whole(target, overwrite=True) as partial:  # the lock is given back, however it ended
        partial.write_bytes(b"second")
    assert target.read_bytes() == b"second"


@pytest.mark.usefixtures("symlinks")
@pytest.mark.parametrize(
    "kind",
    [
        "symbolic",
        "dangling",
        "hard",
        "folder",
        pytest.param("pipe", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in the file system")),
    ],
)
def test_a_link_in_the_place_of_the_partial_file_is_not_followed(tmp_path, kind):
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    place = hidden_beside(tmp_path / "photo.png", "partial", suffix=".png")
    {
        "symbolic": lambda: place.symlink_to(mine),
        "dangling": lambda: place.symlink_to(tmp_path / "new.txt"),
        "hard": lambda: place.hardlink_to(mine),
        "folder": place.mkdir,
        "pipe": lambda: os.mkfifo(place),
    }[kind]()
    before = names(tmp_path)
    with pytest.raises(OutputError, match=r"photo\.png"), written_whole(tmp_path / "photo.png"):
        pytest.fail("the block must not run")
    assert mine.read_text() == "precious"
    assert names(tmp_path) == before


@pytest.mark.parametrize("stem", ["a" * 251, "ä" * 125])
def test_names_as_long_as_a_file_system_takes(tmp_path, stem):
    target = tmp_path / f"{stem}.png"
    with written_whole(target) as partial:
        partial.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    others = [tmp_path / f"{stem[:-1]}{letter}.png" for letter in "bc"]
    assert len({hidden_beside(path, what, suffix=".png") for path in (target, *others) for what in ("partial", "journal")}) == 6


def test_a_folder_is_made_and_left_empty(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_cannot_be_made_or_written_to_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match=r"/file` is a file; name another folder"):
            make_folder(place)
    assert (tmp_path / "file").read_text() == "kept"
    for code, words in ((errno.ENOSPC, "the disk is full"), (errno.EROFS, "no permission to write")):

        def refuse(code=code, **_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr("unblur.io.whole.tempfile.TemporaryFile", refuse)
        with pytest.raises(OutputError, match=f"{words}.*name another folder"):
            make_folder(tmp_path / "folder")
