"""Tasks with their real readers, if these are installed; and what is said if they are not."""

import sys

import numpy as np
import pytest

from unblur.bench.tasks.readers import open_task
from unblur.bench.tasks.source import generated
from unblur.errors import InputError


@pytest.mark.parametrize(("name", "library"), [("text", "rapidocr"), ("codes", "zxingcpp")])
def test_a_missing_library_is_named_with_what_to_install(name, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"`{name}` needs the library `{library}`.*unblur\[tasks\]"):
        open_task(name)


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="choose from text, codes"):
        open_task("faces")


def test_codes_are_read_where_they_are_sharp():
    pytest.importorskip("zxingcpp", reason="the extra `tasks` is not installed")
    task = open_task("codes")
    assert task.reader.startswith("zxing-cpp ")
    source = generated(task, count=12, seed=1)
    pictures = [source.picture(number) for number in range(source.count)]
    assert np.mean([task.score(each.text, task.read(each.sharp)) for each in pictures]) > 0.7
    assert task.read(np.full((64, 64, 3), 128, np.uint8)) == ""


def test_text_is_read_where_it_is_sharp():
    pytest.importorskip("rapidocr", reason="the extra `tasks` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `tasks` is not installed")
    task = open_task("text")
    assert task.reader.startswith("rapidocr ")
    picture = generated(task, count=1, seed=0).picture(0)
    assert task.score(picture.text, task.read(picture.sharp)) > 0.8
    assert task.read(np.full((64, 64, 3), 128, np.uint8)) == ""
