"""What the page shows of a session, as HTML. All that a visitor or a file has named is escaped."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from unblur.app.web.chart import chart
from unblur.app.web.compare import comparison
from unblur.app.web.session import Item, Preview

__all__ = [
    "address_of",
    "animation_view",
    "clips_view",
    "drawings_view",
    "duration_in_words",
    "film_chart",
    "item_label",
    "notices_view",
    "photo_view",
    "preview_chart",
    "queue_view",
]

_STATES = {
    "ready": "ready",
    "queued": "waiting",
    "running": "at work",
    "paused": "paused",
    "done": "done",
    "skipped": "left out",
    "failed": "failed",
    "cancelled": "cancelled",
}


def address_of(path: Path) -> str:
    """Where the page finds a file of its session's folder."""
    return f"gradio_api/file={quote(str(path))}"


def duration_in_words(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> [duration_in_words(seconds) for seconds in (0.2, 42, 200, 9000)]
        ['1 s', '42 s', '3 min', '2.5 h']
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def item_label(item: Item) -> str:
    """A photo or clip in the list of those to look at."""
    return f"{item.number}: {item.name}"


def queue_view(items: Iterable[Item]) -> str:
    """The table of all photos and clips: kind, size, time, and what becomes of each."""
    rows = [_row(item) for item in items]
    if not rows:
        return '<p class="unblur-empty">Nothing here yet.</p>'
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in ("File", "Size", "Time, about", "State"))
    return f'<div class="unblur-queue"><table role="table"><caption>Photos and clips</caption><thead><tr role="row">{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(item: Item) -> str:
    video = item.job.kind == "video"
    size = f"{item.width}×{item.height}" + (f", {item.frames or '?'} frames" if video else "")
    time = duration_in_words(item.seconds) if item.seconds is not None else "–"
    return (
        f'<tr class="{item.status}" role="row"><th scope="row" role="rowheader">{escape(item.name)}<small>{"clip" if video else "photo"}</small></th>'
        f'<td role="cell">{size}</td><td role="cell">{time}</td><td role="cell">{_state(item)}</td></tr>'
    )


def _state(item: Item) -> str:
    said = _STATES[item.status]
    if item.status == "running" and item.job.kind == "video" and item.frames:
        name = escape(f"{item.name}: frames done")
        said += f' <progress value="{min(item.done, item.frames)}" max="{item.frames}" aria-label="{name}"></progress> {item.done} of {item.frames}'
    elif item.status == "paused" and item.done and item.job.kind == "video":
        said += f" after {item.done} of {item.frames} frames"
    if item.status == "done" and item.target is not None:
        name = escape(item.target.name)
        link = f'<a href="{address_of(item.target)}?v={item.version}" download="{name}">Download {name}</a>'
        said += f"<small>{link if item.uploaded else name}</small>"
    notes = [item.message] if item.message else list(item.warnings)
    return said + "".join(f"<small>{escape(note)}</small>" for note in notes)


def notices_view(messages: Iterable[str], *, good: bool = False) -> str:
    """Messages, each in a line; what went wrong is announced at once to those who cannot see it."""
    lines = "".join(f"<p>{escape(message)}</p>" for message in messages)
    return f'<div class="unblur-notices {"good" if good else "bad"}" role="{"status" if good else "alert"}">{lines}</div>' if lines else ""


def photo_view(item: Item) -> str:
    """The slider of a restored photo; before that, a word on what there is to do."""
    if "after" not in item.pictures or item.status != "done":
        return '<p class="unblur-empty">Press “Restore”; then the photo and its restoration are here.</p>'
    before, after = (address_of(item.pictures[name]) for name in ("before", "after"))
    return comparison(before=before, after=after, width=item.width, height=item.height, labels=("blurry", "restored"))


def clips_view(preview: Preview) -> str:
    """Two clips side by side with one set of controls."""
    frames = preview.sharpness[0]
    span = frames[-1][0] - frames[0][0] if len(frames) > 1 else 1.0
    rate = (len(frames) - 1) / span if span else 1.0
    clips = "".join(
        f'<figure><figcaption>{name}</figcaption><video muted playsinline preload="auto" src="{address_of(path)}" aria-label="{name} clip"></video></figure>'
        for name, path in (("blurry", preview.before), ("restored", preview.after))
    )
    return f"""\
<div class="unblur-clips" data-rate="{rate:.3f}"><div class="pair">{clips}</div>
<div class="controls"><button type="button" class="play">Play</button>
<button type="button" class="back" aria-label="One frame back">◀</button><button type="button" class="forth" aria-label="One frame forth">▶</button>
<label>Time <input type="range" min="0" max="{span:.3f}" step="0.001" value="0" aria-label="Time in the two clips, seconds"></label></div></div>"""


def animation_view(item: Item) -> str:
    """A restored animation beside its source, as the browser plays them."""
    if "after" not in item.pictures or item.status != "done":
        return '<p class="unblur-empty">Press “Restore”; then the animation and its restoration are here.</p>'
    figures = (
        f'<figure><figcaption>{label}</figcaption><img src="{address_of(item.pictures[name])}" alt="{label}"></figure>'
        for name, label in (("before", "blurry"), ("after", "restored"))
    )
    return f'<div class="unblur-animation">{"".join(figures)}</div>'


def drawings_view(item: Item) -> str:
    """Drawings of how a photo was blurred, each with what is to be seen."""
    figures = (
        f'<figure><img src="{address_of(path)}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
        for path, caption in item.drawings
    )
    return f'<div class="unblur-drawings">{"".join(figures)}</div>' if item.drawings else ""


def film_chart(item: Item) -> str:
    """Sharpness over the whole clip, at the moments of the film strip."""
    if not item.film:
        return ""
    points = [(moment.second, moment.sharpness) for moment in item.film]
    return chart({"blurry": points}, title="Sharpness of the clip", across="second")


def preview_chart(preview: Preview) -> str:
    """Sharpness of each frame of a preview, before and after."""
    before, after = preview.sharpness
    return chart({"blurry": before, "restored": after}, title="Sharpness of these frames", across="second")
