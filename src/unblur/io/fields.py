"""Making progressive frames of interlaced ones."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal, get_args

from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import VideoFrame

from unblur.errors import InputError

__all__ = ["Interlaced", "check_interlaced", "deinterlaced"]

Interlaced = Literal["refuse", "keep", "deinterlace"]
"""What is done with an interlaced clip: it is refused, taken as if its frames were progressive, or made progressive first."""

_UNIT = Fraction(1, 1000)


def check_interlaced(interlaced: object) -> None:
    """Raise an `InputError` unless this is a way to take interlaced frames."""
    if interlaced not in get_args(Interlaced):
        raise InputError(f"`interlaced` is one of {', '.join(get_args(Interlaced))}, got {interlaced!r}")


def deinterlaced(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Yield one progressive frame for each frame, at its time; those that are progressive stay as they are.

    The field that is shown first stays, and the lines between are interpolated from it and from the frames before and after (FFmpeg's filter bwdif,
    the Bob Weaver deinterlacing filter of the BBC). The first and last frame are made of what there is.

    Args:
        frames: of one size and pixel format, in order.
    """
    graph: Graph | None = None
    times: deque[tuple[int | None, Fraction | None, int]] = deque()
    for number, frame in enumerate(frames):
        if graph is None:
            graph = _graph(frame)
        times.append((frame.pts, frame.time_base, frame.duration or 0))
        frame.pts, frame.time_base = number, _UNIT
        graph.vpush(frame)
        yield from _done(graph, times)
    if graph is not None:
        graph.vpush(None)
        yield from _done(graph, times)


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_UNIT)
    nodes = source, graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink")
    graph.link_nodes(*nodes).configure()
    return graph


def _done(graph: Graph, times: "deque[tuple[int | None, Fraction | None, int]]") -> Iterator[VideoFrame]:
    while times:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError, FFmpegError) as error:
            if isinstance(error, BlockingIOError | EOFError):
                return
            raise
        frame.pts, frame.time_base, frame.duration = times.popleft()
        yield frame
