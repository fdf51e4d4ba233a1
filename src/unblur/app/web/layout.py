"""The page itself, in Gradio: components, and which of them asks for which event."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from unblur.app.web.compare import part_of_page
from unblur.app.web.events import Events, Shown, cost_text
from unblur.app.web.session import PREVIEW_SECONDS, Settings
from unblur.app.web.views import notices_view, queue_view
from unblur.errors import UnblurError
from unblur.weights import Quality

__all__ = ["build", "head"]

TICK = 1.0
"""Seconds between two questions for what is new, while there is work."""
_TOOLS = {"everywhere": "", "in a rectangle": "rectangle", "where I paint": "brush"}


def head() -> str:
    """Scripts and styles of the page; Gradio would not pass on all rules of styles that are given as its own."""
    styles = "".join(f"<style>{part_of_page(name)}</style>" for name in ("compare.css", "web.css"))
    return styles + "".join(f"<script>{part_of_page(name)}</script>" for name in ("compare.js", "region.js", "clips.js"))


def build(events: Events, *, local: bool) -> Any:  # noqa: ANN401 - Gradio is not imported here
    """The page as Gradio's `Blocks`.

    Args:
        events: what happens.
        local: whether it offers to take files by their paths.
    """
    import gradio as gr

    with gr.Blocks(title="unblur", analytics_enabled=False, delete_cache=(3600, 86400), fill_width=True) as page:
        gr.Markdown("# unblur\nRemoves motion blur from photos and clips. Everything stays on this machine; originals are never changed.")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                parts = _left(local=local)
            with gr.Column(scale=3, min_width=320):
                parts |= _right()
        parts["seen"] = gr.State(None)
        parts["timer"] = gr.Timer(TICK, active=False)
        _connect(page, parts, events, local=local)
        _connect_scripts(events)
    return page


def _left(*, local: bool) -> dict[str, Any]:
    """What there is to restore, and how."""
    import gradio as gr

    made: dict[str, Any] = {}
    made["files"] = gr.File(label="Photos and clips: drop them here, or click to choose", file_count="multiple", height=200)
    if local:
        with gr.Group():
            made["path"] = gr.Textbox(
                label="Or the path of a file or folder on this machine",
                info="It is not copied; the result goes beside it.",
                placeholder="/home/me/holiday/clip.mp4",
            )
            made["take"] = gr.Button("Add this path", size="sm")
    names = reversed([(each.capitalize(), each) for each in get_args(Quality)])
    made["quality"] = gr.Radio(list(names), value="best", label="Model", info="Best takes longest. Times below are for this machine.")
    with gr.Accordion("What these models are", open=False):
        made["cost"] = gr.Markdown(cost_text("best"))
    made["overwrite"] = gr.Checkbox(value=False, label="Replace results that exist")
    with gr.Row():
        made["start"] = gr.Button("Restore", variant="primary", min_width=100)
        made["pause"] = gr.Button("Pause", min_width=80)
        made["cancel"] = gr.Button("Cancel", min_width=80)
        made["clear"] = gr.Button("Clear", min_width=80)
    made["notices"] = gr.HTML("", visible=False, apply_default_css=False)
    made["queue"] = gr.HTML(queue_view([]), apply_default_css=False)
    return made


def _right() -> dict[str, Any]:
    """One photo or clip, before and after."""
    import gradio as gr

    made: dict[str, Any] = {}
    made["chosen"] = gr.Dropdown([], label="Show", interactive=True, visible=False)
    made["expectation"] = gr.Markdown("")
    mix = "A mix of what was there and its restoration. For photos that are restored it is seen at once; “Save” writes it."
    made["strength"] = gr.Slider(0, 1, value=1, step=0.01, label="Strength", info=mix)
    with gr.Group(visible=False) as made["photo_group"]:
        made["photo"] = gr.HTML("", elem_id="photo", padding=True, apply_default_css=False)
        with gr.Column(visible=False) as made["photo_tools"]:
            made["tool"] = gr.Radio(list(_TOOLS), value="everywhere", label="Restore", info="Outside, all values stay as they are.")
            made["region"] = gr.Textbox(
                label="Region: left, top, right, bottom in pixels, or what was painted", elem_id="region", visible="hidden", max_lines=1
            )
            made["save"] = gr.Button("Save with this strength and region")
        with gr.Accordion("How it was blurred", open=False):
            made["draw"] = gr.Button("Draw lines of motion, trajectory and where the result counts")
            made["drawings"] = gr.HTML("", apply_default_css=False)
    with gr.Group(visible=False) as made["clip_group"]:
        made["film"] = gr.Gallery(
            label="Moments: choose one", elem_id="film", columns=6, height="auto", allow_preview=False, object_fit="contain"
        )
        made["second"] = gr.Slider(0, 1, value=0, step=0.1, label="Second to begin at")
        made["preview"] = gr.Button(f"Restore {PREVIEW_SECONDS:g} seconds from there first")
        made["clips"] = gr.HTML("", padding=True, apply_default_css=False)
        made["charts"] = gr.HTML("", padding=True, apply_default_css=False)
    made["note"] = gr.Markdown("")
    return made


def _updates(parts: dict[str, Any], shown: Shown, seen: Shown | None) -> dict[Any, Any]:
    """New values of what has changed since the page was last told."""
    import gradio as gr

    fresh: dict[Any, Any] = {parts["seen"]: shown, parts["timer"]: gr.Timer(active=shown.busy)}

    def changed(*names: str) -> bool:
        return seen is None or any(getattr(shown, name) != getattr(seen, name) for name in names)

    if changed("queue"):
        fresh[parts["queue"]] = shown.queue
    if changed("labels", "label"):
        fresh[parts["chosen"]] = gr.Dropdown(choices=list(shown.labels), value=shown.label, visible=len(shown.labels) > 1)
    if changed("kind"):
        fresh[parts["photo_group"]] = gr.Group(visible=shown.kind == "photo")
        fresh[parts["clip_group"]] = gr.Group(visible=shown.kind == "video")
    if changed("view", "kind"):
        fresh[parts["photo_tools"]] = gr.Column(visible=shown.kind == "photo" and "unblur-compare" in shown.view)
    if changed("expectation"):
        fresh[parts["expectation"]] = shown.expectation
    if changed("view", "kind"):
        fresh[parts["photo"]] = shown.view if shown.kind == "photo" else ""
        fresh[parts["clips"]] = shown.view if shown.kind == "video" else ""
    if changed("charts"):
        fresh[parts["charts"]] = shown.charts
    if changed("film"):
        fresh[parts["film"]] = list(shown.film)
    if changed("length", "label"):
        last = max(round(shown.length - PREVIEW_SECONDS, 1), 0.1)
        fresh[parts["second"]] = gr.Slider(maximum=last, value=0)
    if changed("drawings"):
        fresh[parts["drawings"]] = shown.drawings
    if changed("note"):
        fresh[parts["note"]] = shown.note
    return fresh


def _connect(page: Any, parts: dict[str, Any], events: Events, *, local: bool) -> None:  # noqa: ANN401 - of Gradio
    """Say what happens when something is clicked, typed or dropped."""
    import gradio as gr

    def tick(chosen: str | None, seen: Shown | None, request: gr.Request) -> dict[Any, Any]:
        return _updates(parts, events.shown(str(request.session_hash), chosen), seen)

    def leave(request: gr.Request) -> None:
        events.leave(str(request.session_hash))

    changing = [parts[name] for name in _CHANGING]
    for asks in (parts["timer"].tick, parts["chosen"].input):
        asks(tick, [parts["chosen"], parts["seen"]], changing, **_QUIET)
    page.unload(leave)
    _connect_queue(parts, events, local=local)
    _connect_photo(parts, events)
    _connect_clip(parts, events)


def _connect_queue(parts: dict[str, Any], events: Events, *, local: bool) -> None:
    def upload(window: str, settings: Settings, _: str | None, paths: list[str] | None) -> str:
        return events.upload(window, paths or [], settings)

    def take(window: str, settings: Settings, _: str | None, text: str) -> str:
        return events.take_path(window, text, settings)

    _on(parts, events, parts["files"].upload, upload, "files").then(lambda: None, None, parts["files"], **_QUIET)
    if local:
        for asks in (parts["take"].click, parts["path"].submit):
            _on(parts, events, asks, take, "path")
    _on(parts, events, parts["start"].click, lambda window, settings, _: events.start(window, settings))
    _on(parts, events, parts["pause"].click, lambda window, *_: events.pause(window))
    _on(parts, events, parts["cancel"].click, lambda window, *_: events.cancel(window))
    _on(parts, events, parts["clear"].click, lambda window, *_: events.clear(window))
    _on(parts, events, parts["quality"].change, lambda window, settings, _: events.estimate(window, settings))
    parts["quality"].change(cost_text, parts["quality"], parts["cost"], **_QUIET)


def _connect_photo(parts: dict[str, Any], events: Events) -> None:
    import gradio as gr

    def save(window: str, settings: Settings, chosen: str | None, region: str) -> str:
        return events.save(window, chosen, strength=settings.strength, region=region, overwrite=settings.overwrite)

    def choose_tool(tool: str) -> Any:  # noqa: ANN401 - an update of Gradio
        return gr.Textbox(value="", visible=True if _TOOLS[tool] else "hidden")

    _on(parts, events, parts["save"].click, save, "region")
    _on(parts, events, parts["draw"].click, lambda window, settings, chosen: events.draw(window, chosen, settings))
    parts["strength"].change(None, parts["strength"], None, js="(strength) => { window.unblurStrength(strength); }")
    in_browser = f"(tool) => {{ window.unblurDraws(({json.dumps(_TOOLS)})[tool]); return [tool]; }}"
    parts["tool"].change(choose_tool, parts["tool"], parts["region"], js=in_browser, **_QUIET)
    parts["region"].change(None, None, None, js="() => { window.unblurRegion(); }")


def _connect_clip(parts: dict[str, Any], events: Events) -> None:
    import gradio as gr

    def preview(window: str, settings: Settings, chosen: str | None, second: float) -> str:
        return events.preview(window, chosen, second, settings)

    def choose_moment(seen: Shown | None, chosen: gr.SelectData) -> Any:  # noqa: ANN401 - an update of Gradio
        moments = seen.film if seen is not None else ()
        return float(moments[chosen.index][1].split()[0]) if chosen.index < len(moments) else gr.skip()

    _on(parts, events, parts["preview"].click, preview, "second")
    parts["film"].select(choose_moment, parts["seen"], parts["second"], **_QUIET)


def _connect_scripts(events: Events) -> None:
    """Let programs call `/restore` with a file, a quality and a strength; they are given the result, and what should be known of it."""
    import gradio as gr

    def restore(path: str | None, quality: Quality, strength: float, progress: Any = gr.Progress()) -> Iterator[tuple[str, str]]:  # noqa: ANN401, B008 - Gradio looks at the default
        if path is None:
            raise gr.Error("send a photo or a clip", print_exception=False)
        try:
            with events.restored(
                Path(path), Settings(quality=quality, strength=strength), progress=lambda done, total: progress((done, total or None))
            ) as (target, warnings):
                yield str(target), "\n".join(warnings)  # Gradio copies the file before the block ends
        except UnblurError as error:
            raise gr.Error(str(error), print_exception=False) from error

    source, result = gr.File(visible=False, label="file"), gr.File(visible=False, label="result")
    quality = gr.Radio(list(get_args(Quality)), value="best", visible=False, label="quality")
    strength = gr.Slider(0, 1, value=1, visible=False, label="strength")
    asks = gr.Button(visible=False).click
    asks(restore, [source, quality, strength], [result, gr.Textbox(visible=False, label="notes")], api_name="restore", concurrency_limit=8)


_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_CHANGING = (
    *("seen", "timer", "queue", "chosen", "photo_group", "photo_tools", "clip_group", "expectation", "photo", "clips", "charts"),
    *("film", "second", "drawings", "note"),
)
"""Parts that change while there is work."""


def _on(parts: dict[str, Any], events: Events, asks: Callable[..., Any], does: Callable[..., str | None], *names: str) -> Any:  # noqa: ANN401
    """Answer an event by `does`, which is called with the window, the settings, the item that is looked at, and the values of the named parts."""
    common = [parts[name] for name in ("quality", "strength", "overwrite", "chosen", "seen")]
    outputs = [parts["notices"], *(parts[name] for name in _CHANGING)]
    return asks(_answering(parts, events, does), [*common, *(parts[name] for name in names)], outputs, **_QUIET)


def _answering(parts: dict[str, Any], events: Events, does: Callable[..., str | None]) -> Callable[..., dict[Any, Any]]:
    """An event that shows notices and all that has changed; foreseen errors are notices as well.

    Args:
        parts: of the page.
        events: what happens.
        does: called with the window, the settings, and the further values.
    """
    import gradio as gr

    def notices(text: str) -> dict[Any, Any]:
        return {parts["notices"]: gr.HTML(value=text, visible=bool(text))}

    def answer(request: gr.Request, *values: Any) -> dict[Any, Any]:  # noqa: ANN401 - those of the parts
        quality, strength, overwrite, chosen, seen, *further = values
        window = str(request.session_hash)
        try:
            said = does(window, Settings(quality=quality, strength=strength, overwrite=overwrite), chosen, *further)
            return _updates(parts, events.shown(window, chosen), seen) | notices(said or "")
        except UnblurError as error:
            return notices(notices_view([str(error)]))

    return answer
