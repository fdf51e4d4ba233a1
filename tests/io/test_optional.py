from pathlib import Path

import pytest

from unblur.errors import UnsupportedError
from unblur.io.optional import INSTALL, needed, optional


def test_a_library_that_is_there_is_given():
    assert optional("json").dumps([1]) == "[1]"
    assert needed("json", Path("a.raw"), "a raw file", extra="raw") is optional("json")


@pytest.mark.parametrize("extra", sorted(INSTALL))
def test_one_that_is_missing_is_said_with_its_extra(extra):
    assert optional("no_such_library") is None
    with pytest.raises(
        UnsupportedError, match=rf"`a.bin` is a thing, which needs the library no_such_library: `pip install 'unblur\[{extra}\]'"
    ):
        needed("no_such_library", Path("a.bin"), "a thing", extra=extra)
