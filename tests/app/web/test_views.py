"""What the page shows, as HTML."""

from pathlib import Path

import pytest

from unblur.app.web.chart import chart
from unblur.app.web.events import Events, cost_text
from unblur.app.web.messages import in_words_of_page
from unblur.app.web.session import Item, Preview
from unblur.app.web.views import address_of, clips_view, notices_view, photo_view, queue_view
from unblur.restore.batch import Job


def item(name="photo.png", kind="photo", **values):
    made = Item(1, Job(Path("/in") / name, Path("/out") / name, kind))
    for key, value in values.items():
        setattr(made, key, value)
    return made


def test_the_table_has_kind_size_time_and_state():
    text = queue_view([item("clip.mp4", "video", width=640, height=360, frames=50, seconds=200.0, status="running", done=20)])
    for part in ("clip.mp4<small>clip</small>", "640×360, 50 frames", "3 min", "at work", 'value="20" max="50"', "20 of 50"):
        assert part in text


def test_what_files_and_errors_are_called_is_escaped():
    bad = "<script>"
    shown = queue_view([item(f"{bad}.png", status="failed", message=bad), item(bad, "video", status="running", frames=3, warnings=(bad,))])
    assert bad not in shown + notices_view([bad])


def test_a_result_that_was_sent_for_is_a_download_and_another_is_named():
    done = {"status": "done", "target": Path("/out/a b.png")}
    assert 'href="gradio_api/file=/out/a%20b.png?v=0" download="a b.png"' in queue_view([item(uploaded=True, **done)])
    assert "href" not in queue_view([item(**done)])


def test_the_slider_is_there_when_the_photo_is_restored():
    pictures = {"before": Path("/x/before.jpg"), "after": Path("/x/after.jpg")}
    assert "unblur-compare" in photo_view(item(status="done", width=6, height=4, pictures=pictures))
    assert "unblur-compare" not in photo_view(item(status="running", pictures=pictures))
    assert "unblur-compare" not in photo_view(item())


def test_errors_are_announced():
    assert 'role="alert"' in notices_view(["x"])
    assert 'role="status"' in notices_view(["x"], good=True)
    assert notices_view([]) == ""


def test_clips_have_the_rate_of_their_frames():
    frames = [(2 + i / 25, 1.0) for i in range(50)]
    text = clips_view(Preview(2.0, Path("/x/before.mp4"), Path("/x/after.mp4"), (frames, frames)))
    assert 'data-rate="25.000"' in text
    assert text.index("before.mp4") < text.index("after.mp4")


def test_addresses_of_files_have_no_signs_that_mean_something():
    assert address_of(Path("/a b/c?d#e.png")) == "gradio_api/file=/a%20b/c%3Fd%23e.png"


def test_a_chart_has_its_values_as_a_table_as_well():
    text = chart({"blurry": [(0.0, 1.0), (1.0, 3.0)], "restored": [(0.0, 2.0)]}, title="<Sharpness>", across="second")
    assert 'aria-label="&lt;Sharpness&gt;"' in text
    assert "<td>1.00</td><td>2.00</td>" in text
    assert '<th scope="row">1.00</th><td>3.00</td><td></td>' in text


@pytest.mark.parametrize("points", [[(0.0, 0.0)], [(5.0, 2.0)], [(0.0, 0.0), (1.0, 0.0)]])
def test_charts_of_little_are_drawn(points):
    assert "nan" not in chart({"blurry": points}, title="t", across="x")


def test_a_line_rises_with_its_values():
    text = chart({"blurry": [(0.0, 1.0), (1.0, 3.0)]}, title="t", across="x")
    first, last = (point.split(",") for point in text.partition('polyline points="')[2].partition('"')[0].split())
    assert float(last[0]) > float(first[0])
    assert float(last[1]) < float(first[1])  # downwards on a screen


@pytest.mark.parametrize(
    "message",
    [
        "`x` exists; add `--overwrite` to replace it, or choose another place with `--output`",
        "stopped; the same command goes on from where it was stopped (`.x.journal` holds what is done)",
        "its frames are there already; `--overwrite` makes them again",
        "no permission to write `x`; choose another place with `--output`",
        "its result would replace the original `x`; choose another `--output`",
    ],
)
def test_no_option_of_the_command_line_is_advised(message):
    assert "`--" not in in_words_of_page(message)
    assert "same command" not in in_words_of_page(message)


def test_the_cost_of_weights_names_them():
    assert "`swift_quick`" in cost_text("fast")
    assert "`swift_video_best`" in cost_text("best")


class OneSession:
    """Sessions of which there is one."""

    def __init__(self, **items):
        self.items, self.busy = {each.number: each for each in items.values()}, False

    def of(self, _):
        return self


def test_the_item_that_is_chosen_is_shown_and_else_the_first():
    first, second = item("a.png", expectation="Sharp."), item("b.png", expectation="Blurred.", seconds=3.0)
    second.number = 2
    events = Events(OneSession(first=first, second=second), local=True)
    assert events.shown("w", "2: b.png").expectation == "Blurred. About 3 s here."
    assert events.shown("w", "1: a.png").expectation == "Sharp."
    assert events.shown("w", None).label == "1: a.png"
    assert events.shown("w", "nonsense").label == "1: a.png"
    assert events.shown("w", None).busy  # until it has been looked at
    assert Events(OneSession(), local=True).shown("w", None).label is None
