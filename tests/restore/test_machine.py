import json

import pytest

from unblur.restore import machine, precision
from unblur.restore.machine import CACHE_VARIABLE, measured_once


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Fickle:
    """Gives another answer each time."""

    def __init__(self, first: bool = True) -> None:
        self.answer, self.calls = not first, 0

    def __call__(self) -> bool:
        self.calls += 1
        self.answer = not self.answer
        return self.answer


@pytest.mark.parametrize("first", [True, False])
def test_an_answer_is_kept(folder, first):
    measure = Fickle(first)
    assert [measured_once("speed", measure, kind=bool) for _ in range(5)] == [first] * 5
    assert measure.calls == 1
    assert [path.suffix for path in folder.iterdir()] == [".json"]


@pytest.mark.parametrize("what", ["version", "torch", "processor", "instructions", "name"])
def test_what_it_depends_on_asks_anew(monkeypatch, what):
    assert measured_once("speed", Fickle(), kind=bool) is True
    patches = {
        "version": ("unblur.__version__", "99"),
        "torch": ("torch.__version__", "99"),
        "processor": ("unblur.restore.machine._processor", lambda: "abacus"),
        "instructions": ("torch.backends.cpu.get_cpu_capability", lambda: "NONE"),
    }
    with monkeypatch.context() as patch:
        if what in patches:
            patch.setattr(*patches[what])
        assert measured_once("other" if what == "name" else "speed", Fickle(False), kind=bool) is False
    assert measured_once("speed", Fickle(False), kind=bool) is True


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"answer": true}', b'{"answer": 1}', b"[" * 100_000, b"\xff"])
def test_damaged_files_count_as_missing_and_are_replaced(folder, content):
    measured_once("speed", Fickle(), kind=bool)
    (path,) = folder.iterdir()
    path.write_bytes(content)
    assert measured_once("speed", Fickle(False), kind=bool) is False
    assert measured_once("speed", Fickle(), kind=bool) is False


def test_an_answer_of_the_wrong_type_is_none(folder):
    measured_once("speed", Fickle(), kind=bool)
    (path,) = folder.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"answer": "yes"}))
    assert measured_once("speed", Fickle(False), kind=bool) is False
    assert measured_once("speed", Fickle(), kind=bool) is False


def test_of_two_processes_the_first_is_right():
    def measure() -> bool:
        assert measured_once("speed", lambda: True, kind=bool) is True  # another process, meanwhile
        return False

    assert measured_once("speed", measure, kind=bool) is True


def test_a_folder_that_cannot_be_written_costs_only_the_measurement(folder):
    folder.write_text("not a folder")
    measure = Fickle()
    assert [measured_once("speed", measure, kind=bool) for _ in range(2)] == [True, False]
    assert folder.read_text() == "not a folder"


def test_a_machine_without_a_home_measures_each_time(monkeypatch):
    def no_home(*_, **__):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(machine, "user_folder", no_home)
    assert measured_once("speed", Fickle(), kind=bool) is True


def test_numbers_are_kept_as_well_and_by_what_they_depend_on():
    def ask(answer, **known):
        return measured_once("seconds", lambda: answer, kind=float, known=known)

    assert [ask(0.25, weights="a"), ask(0.5, weights="a"), ask(0.75, weights="b"), ask(1.0)] == [0.25, 0.25, 0.75, 1.0]
    assert measured_once("seconds", lambda: True, kind=bool) is True  # a number is no answer to a question


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_kept(answer):
    measured_once("seconds", lambda: answer, kind=float)
    assert measured_once("seconds", lambda: 0.5, kind=float) == 0.5


def test_precision_is_chosen_once_a_machine(monkeypatch):
    """Where both precisions take about the same time, a stopwatch says now this, now that."""
    seconds = iter([2.0, 1.0, 1.0, 2.0, 1.0, 2.0])
    monkeypatch.setattr(precision, "_seconds_of_convolution", lambda _dtype: next(seconds))
    gains = []
    for _ in range(3):  # processes
        precision._cpu_gains_by_bf16.cache_clear()
        gains.append(precision._cpu_gains_by_bf16())
    precision._cpu_gains_by_bf16.cache_clear()
    assert gains == [True, True, True]
