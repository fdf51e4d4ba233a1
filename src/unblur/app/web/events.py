"""What happens when a visitor does something: from the values of the page to values of the page, without Gradio."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unblur.app.web.session import MOST_FILES, Item, Session, Settings
from unblur.app.web.sessions import Sessions
from unblur.app.web.views import (
    animation_view,
    clips_view,
    drawings_view,
    duration_in_words,
    film_chart,
    item_label,
    notices_view,
    photo_view,
    preview_chart,
    queue_view,
)
from unblur.errors import InputError, UnblurError
from unblur.weights import Quality, by_quality, card_of

__all__ = ["Events", "Shown", "cost_text"]

_POLL = 0.1
"""Seconds between two looks at what becomes of a file that a script has sent."""


@dataclass(frozen=True)
class Shown:
    """What the page shows of a session.

    Attributes:
        queue: HTML of the table.
        labels: of the items, one of which is looked at.
        label: of the item that is looked at; None if there is none.
        kind: of that item, `photo` or `video`; empty if there is none.
        expectation: what its restoration will gain and take, in a sentence.
        view: HTML of the slider over blurry and restored picture, or of the two clips side by side.
        charts: HTML of the charts of a clip.
        film: moments of a clip: pictures and their captions.
        drawings: HTML of the pictures of how a photo was blurred.
        note: that a preview or drawings are being made, or why they are not.
        length: duration of a clip, seconds.
        busy: whether to ask again soon.
    """

    queue: str
    labels: tuple[str, ...]
    label: str | None
    kind: str
    expectation: str
    view: str
    charts: str
    film: tuple[tuple[str, str], ...]
    drawings: str
    note: str
    length: float
    busy: bool


def cost_text(quality: Quality) -> str:
    """What the weights of a quality are, and what their cards state."""
    said = []
    for weights, word in ((by_quality("photo", quality=quality), "Photos"), (by_quality("video", quality=quality), "Clips")):
        card = card_of(weights[0])
        said.append(f"{word}: `{card.name}`, for {card.summary}.")
    return "\n\n".join(said)


class Events:
    """Answers to what visitors do.

    Args:
        sessions: of all visitors.
        local: whether files of this machine may be named by their paths.
    """

    def __init__(self, sessions: Sessions, *, local: bool) -> None:
        self._sessions, self._local = sessions, local

    def upload(self, window: str, paths: Sequence[str], settings: Settings) -> str:
        """Take files that were sent; gives notices."""
        wrong = []
        for path in paths[: MOST_FILES + 1]:
            wrong += self._session(window).add(Path(path), uploaded=True, settings=settings)
        return notices_view(self._without_folders(wrong, paths))

    def take_path(self, window: str, text: str, settings: Settings) -> str:
        """Take a file or folder of this machine; gives notices.

        Raises:
            InputError: if the server is open to other machines.
        """
        if not self._local:
            raise InputError("files are taken by their paths only where the page is open to this machine alone")
        text = text.strip().strip("\"'")
        if not text:
            return notices_view(["Type the path of a photo, a clip or a folder first."])
        try:
            path = Path(text).expanduser()
        except RuntimeError:
            path = Path(text)
        return notices_view(self._session(window).add(path, uploaded=False, settings=settings))

    def estimate(self, window: str, settings: Settings) -> None:
        """Estimate times again, for other settings."""
        self._session(window).estimate(settings)

    def start(self, window: str, settings: Settings) -> str:
        """Restore what is not done; gives notices."""
        session = self._session(window)
        if not session.items:
            return notices_view(["Add a photo or clip first."])
        return "" if session.start(settings) else notices_view(["Nothing is left to restore; add more, or clear the list."], good=True)

    def pause(self, window: str) -> str:
        """Pause; gives notices."""
        self._session(window).stop("pause")
        return notices_view(["Paused. “Restore” goes on; what is finished of a clip is kept."], good=True)

    def cancel(self, window: str) -> str:
        """Cancel; gives notices."""
        self._session(window).stop("cancel")
        return notices_view(["Cancelled."], good=True)

    def clear(self, window: str) -> None:
        """Take off the page what is not at work."""
        self._session(window).clear()

    def save(self, window: str, label: str | None, *, strength: float, region: str, overwrite: bool) -> str:
        """Write a restored photo with other strength or a region; gives notices."""
        try:
            place = self._session(window).save(_number(label), strength=strength, region=region, overwrite=overwrite)
        except UnblurError as error:
            return notices_view([_sentence(str(error))])
        return notices_view([f"Saved: {place.name}"], good=True)

    def draw(self, window: str, label: str | None, settings: Settings) -> str:
        """Have drawn how a photo was blurred; gives notices."""
        try:
            self._session(window).draw(_number(label), settings=settings)
        except UnblurError as error:
            return notices_view([_sentence(str(error))])
        return ""

    def preview(self, window: str, label: str | None, second: float, settings: Settings) -> str:
        """Have two seconds of a clip restored; gives notices."""
        try:
            self._session(window).preview(_number(label), start=second, settings=settings)
        except UnblurError as error:
            return notices_view([_sentence(str(error))])
        return ""

    def leave(self, window: str) -> None:
        """A window was closed."""
        self._sessions.close(window)

    @contextmanager
    def restored(self, path: Path, settings: Settings, *, progress: Callable[[int, int], None]) -> Iterator[tuple[Path, tuple[str, ...]]]:
        """Restore a file that a script has sent, in a session of its own, which is gone at the end of the block.

        Args:
            path: the file.
            settings: how.
            progress: called while it works, with the pictures that are done and how many there are, 0 if unknown.

        Yields:
            The result, and what should be known of it.

        Raises:
            InputError: if it cannot be restored.
        """
        window = secrets.token_urlsafe(24)
        session = self._session(window)
        try:
            wrong = session.add(path, uploaded=True, settings=settings)
            session.start(settings)
            while session.busy:
                time.sleep(_POLL)
                for item in session.items.values():
                    progress(item.done, item.frames)
            done = [(item.target, item.warnings) for item in session.items.values() if item.target is not None]
            if not done:
                raise InputError(" ".join(self._without_folders([*wrong, *(item.message for item in session.items.values())], [str(path)])))
            target, warnings = done[0]
            assert target is not None
            yield target, warnings
        finally:
            self._sessions.close(window)

    def shown(self, window: str, label: str | None) -> Shown:
        """All that the page shows; another item is looked at where there is none with that label."""
        session = self._session(window)
        items = dict(session.items)
        item = items.get(_number(label)) or next(iter(items.values()), None)
        queue, labels = queue_view(items.values()), tuple(item_label(each) for each in items.values())
        if item is None:
            return Shown(queue, labels, None, "", "", "", "", (), "", "", 0.0, session.busy)
        view, charts, note = _view(item)
        film = tuple((str(moment.picture), f"{moment.second:.1f} s") for moment in item.film)
        drawings = drawings_view(item)
        expectation = item.expectation
        if item.seconds is not None:
            expectation += f" About {duration_in_words(item.seconds)} here."
        pending = not item.version or session.busy
        return Shown(queue, labels, item_label(item), item.job.kind, expectation, view, charts, film, drawings, note, item.length, pending)

    def _session(self, window: str) -> Session:
        return self._sessions.of(window)

    @staticmethod
    def _without_folders(messages: Sequence[str], paths: Sequence[str]) -> list[str]:
        """Messages with the names of uploaded files, and not the places where they are kept."""
        for path in paths:
            messages = [message.replace(f"`{path}`", f"“{Path(path).name}”") for message in messages]
        return [_sentence(message) for message in messages]


def _view(item: Item) -> tuple[str, str, str]:
    if item.job.kind == "photo":
        return photo_view(item), "", {"waiting": "Drawing …"}.get(item.drawing, item.drawing)
    note = {"waiting": "The preview waits for what is at work.", "restoring": "Restoring two seconds …"}.get(
        item.previewing, item.previewing
    )
    if item.animated:
        return animation_view(item), film_chart(item), note
    if item.preview is None:
        return "", film_chart(item), note
    return clips_view(item.preview), preview_chart(item.preview) + film_chart(item), note


def _number(label: str | None) -> int:
    """Number of an item, from its label; 0 for no label."""
    text = (label or "").partition(":")[0]
    return int(text) if text.isdecimal() else 0


def _sentence(text: str) -> str:
    """A message with a capital at its beginning."""
    return text[:1].upper() + text[1:]
