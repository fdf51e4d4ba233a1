import errno
import os
from pathlib import Path

import pytest

from unblur.errors import OutputError
from unblur.io.whole import output_error, written_whole


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
