"""Video files: frames in, frames out, and all else of the clip kept.

    with VideoReader(Path("shaky.mp4")) as clip, VideoWriter(Path("steady.mp4"), clip) as out:
        for frame in clip:
            out.write(restore(frame.pixels), frame)

The parts are `containers` (opening), `clip_info` (what a clip is), `video_reader`, `colour` (to RGB and back), `encoders`
(which codec and how), `streams` (sound and the rest), `sound` (what no container takes), `fields` (deinterlacing), `moov` and `track` (what
containers say of a clip, by their `boxes` and `ebml` elements), `video_writer` and `verify`.
"""

from unblur.io.clip_info import ClipInfo, is_video
from unblur.io.encoders import output_suffix
from unblur.io.fields import Interlaced
from unblur.io.verify import Expected, verify_video
from unblur.io.video_reader import Frame, VideoReader
from unblur.io.video_writer import VideoWriter

__all__ = ["ClipInfo", "Expected", "Frame", "Interlaced", "VideoReader", "VideoWriter", "is_video", "output_suffix", "verify_video"]
