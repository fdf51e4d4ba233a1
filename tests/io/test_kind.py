import io

import av
import numpy as np
import pytest
from clips import Clip
from PIL import Image

from unblur.errors import UnreadableError
from unblur.io.kind import kind_of


def jpeg():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)).save(buffer, format="JPEG")
    return buffer.getvalue()


def test_each_kind_by_its_content(tmp_path):
    (tmp_path / "photo.dat").write_bytes(jpeg())
    Clip().make(tmp_path / "clip.mp4").rename(tmp_path / "clip.dat")
    assert [kind_of(tmp_path / name) for name in ("photo.dat", "clip.dat", ".")] == ["photo", "video", "folder"]


@pytest.mark.parametrize("name", ["scan.pdf", "old.pmp"])
def test_a_file_with_a_jpeg_in_it_is_no_video(tmp_path, name):
    path = tmp_path / name
    if name == "scan.pdf":
        Image.open(io.BytesIO(jpeg())).save(path)
    else:
        path.write_bytes(bytes(124) + jpeg())
    with av.open(str(path)) as container:  # as FFmpeg sees it
        assert container.format.name == "mjpeg"
    with pytest.raises(UnreadableError, match="neither a photo nor a video"):
        kind_of(path)


@pytest.mark.parametrize(("data", "words"), [(b"", "is empty"), (b"just text", "neither a photo nor a video")])
def test_what_is_neither(tmp_path, data, words):
    (tmp_path / "file.jpg").write_bytes(data)
    with pytest.raises(UnreadableError, match=words):
        kind_of(tmp_path / "file.jpg")
