"""Who wants to hear how `unblur.restore` gets on: the command line shows it, a program may log it."""

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unblur.restore.batch import Job
    from unblur.restore.deblurrer import Deblurrer
    from unblur.restore.report import Outcome

__all__ = ["Observer"]


class Observer:
    """Is called while files are restored. Its methods do nothing here; a subclass overrides those that it needs.

    An error that one of them raises ends the work and is raised by `unblur.restore`.
    """

    def preparing(self, what: str) -> AbstractContextManager[object]:
        """Entered around what takes some seconds before the work begins, such as `loading the network`."""
        del what
        return contextlib.nullcontext()

    def loaded(self, deblurrer: "Deblurrer") -> None:
        """A network was loaded; `deblurrer.setup.note` says what the user should know of it."""

    def chosen(self, summary: str) -> None:
        """The networks were chosen by a time limit; `summary` says which."""

    def begins(self, job: "Job") -> None:
        """A file is about to be restored."""

    def note(self, text: str) -> None:
        """What the user should know before the work on a file begins; it is among the warnings of its outcome as well."""

    def progress(self, done: int, total: int | None) -> None:
        """So many frames of the file are done, of about `total` if that is known; a photo counts as one frame.

        Called for a clip from the thread that writes.
        """

    def ends(self, outcome: "Outcome") -> None:
        """A file was restored, skipped, or has failed."""
