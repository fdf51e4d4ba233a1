import io

import av
import numpy as np
import pytest
from clips import Clip, copy
from PIL import Image

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.kind import kind_of
from unblur.io.video import VideoReader


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


def test_motion_jpeg_2000_is_a_video_though_it_begins_like_a_picture(tmp_path):
    colours = (1, 13, 5, 0)
    made = Clip(encoder="jpeg2000", options={}, colour=colours).make(tmp_path / "made.mov").read_bytes()
    assert made[4:12] == b"ftypqt  "
    assert made[24:28] == b"wide"
    beginning = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x10ftypmjp2\0\0\0\0"  # as long as what it replaces: places stay true
    path = tmp_path / "clip.mj2"
    path.write_bytes(beginning + made[len(beginning) :])
    assert kind_of(path) == "video"
    assert not [note for note in copy(path, tmp_path / "out.mkv").notes if "jP" in note]
    with VideoReader(tmp_path / "out.mkv") as clip:
        assert len(list(clip)) == 15


@pytest.mark.parametrize(("suffix", "codec"), [("mp3", "mp3"), ("wav", "pcm_s16le"), ("m4a", "aac"), ("flac", "flac")])
def test_sound_alone_is_called_so(tmp_path, suffix, codec):
    path = tmp_path / f"sound.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4 * 1152), np.int16), layout="mono")
        frame.sample_rate = 44100
        for each in (frame, None):
            container.mux(stream.encode(each))
    with pytest.raises(UnreadableError, match="holds sound and no picture"):
        kind_of(path)
    path.write_bytes(path.read_bytes().replace(b"mp4a\0\0", b"ac-4\0\0"))  # of which FFmpeg has no decoder
    with pytest.raises(UnreadableError, match="holds sound and no picture"):
        kind_of(path)


def test_an_encrypted_video_that_ffmpeg_does_not_open(tmp_path, monkeypatch):
    path = Clip().make(tmp_path / "clip.mp4")
    monkeypatch.setattr("unblur.io.kind.is_video", lambda _: False)  # as of encrypted fragments
    with pytest.raises(UnreadableError, match="neither a photo nor a video"):
        kind_of(path)
    path.write_bytes(path.read_bytes().replace(b"avc1\0\0", b"encv\0\0"))
    with pytest.raises(UnsupportedError, match=r"is encrypted \(DRM\), and cannot be read without its key"):
        kind_of(path)


@pytest.mark.parametrize(("data", "words"), [(b"", "is empty"), (b"just text", "neither a photo nor a video")])
def test_what_is_neither(tmp_path, data, words):
    (tmp_path / "file.jpg").write_bytes(data)
    with pytest.raises(UnreadableError, match=words):
        kind_of(tmp_path / "file.jpg")
