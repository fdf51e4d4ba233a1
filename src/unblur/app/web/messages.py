"""Messages of the program in the words of the page, which has no command line."""

import re

__all__ = ["in_words_of_page"]

_REPLACE = "tick “Replace results” to make it again"
_WORDS = (
    (r"; the same command goes on from where it was stopped \(`.*?` holds what is done\)", "; “Restore” goes on from where it was stopped"),
    (r"add `--overwrite` to replace it, or choose another place with `--output`", _REPLACE),
    (r"`--overwrite` makes (it|them) again", _REPLACE),
    (r"choose another place with `--output`|choose another `--output`", "copy the original elsewhere first"),
    (r"; deinterlace it \(`--interlaced deinterlace`\)", "; on the command line, `--interlaced deinterlace` restores it"),
)


def in_words_of_page(message: str) -> str:
    """A message with advice on options of the command line replaced by what the page has.

    Example:
        >>> in_words_of_page("its result is there already; `--overwrite` makes it again")
        'its result is there already; tick “Replace results” to make it again'
    """
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message
