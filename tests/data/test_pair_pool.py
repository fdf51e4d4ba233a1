import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unblur.data.pair_pool import PairPool, pool_range
from unblur.errors import OutputError

LAYOUT = {"number": ((2, 3), "int64"), "maker": ((1,), "int64")}


@dataclass(frozen=True)
class Maker:
    """Says the number of the pair and the process that made it."""

    log: Path
    broken: bool = False

    def __call__(self, index: int) -> dict[str, np.ndarray]:
        if self.broken:
            raise RuntimeError("cannot make pairs")
        with self.log.open("a") as log:
            log.write(f"{index}\n")
        return {"number": np.full((2, 3), index), "maker": np.array([os.getpid()])}


def pool(tmp_path: Path, *, identity: object = 1, workers: int = 2, broken: bool = False, waiting=None) -> PairPool:
    return PairPool(
        Maker(tmp_path / "log", broken=broken),
        folder=tmp_path / "pool",
        identity=identity,
        layout=LAYOUT,
        capacity=8,
        start=4,
        new_pairs=0.5,
        workers=workers,
        waiting=waiting,
    )


def made(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "log").read_text().split()]


def test_pool_moves_and_fills():
    assert pool_range(0, capacity=8, start=4, new_pairs=0.5) == (0, 4)
    assert pool_range(3, capacity=8, start=4, new_pairs=0.5) == (0, 5)
    assert pool_range(20, capacity=8, start=4, new_pairs=0.5) == (6, 14)
    assert pool_range(20, capacity=8, start=4, new_pairs=0) == (0, 4)


def test_gives_the_pairs_of_the_pool_made_in_other_processes(tmp_path):
    with pool(tmp_path) as pairs:
        for step in (0, 5, 300, 1000):
            first, last = pairs.range(step)
            for index in (first, last - 1):
                pair = pairs.pair(index)
                assert np.array_equal(pair["number"], np.full((2, 3), index))
                assert pair["maker"][0] != os.getpid()
    assert pairs.waited > 0


def test_what_was_made_is_not_made_again_after_a_stop(tmp_path):
    for _ in range(2):
        with pool(tmp_path, workers=1) as pairs:
            pairs.range(0)
            assert pairs.pair(3)["number"][0, 0] == 3
    assert made(tmp_path).count(3) == 1


def test_other_sources_begin_anew(tmp_path):
    for identity in (1, 2):
        with pool(tmp_path, identity=identity, workers=1) as pairs:
            pairs.range(0)
            pairs.pair(3)
    assert made(tmp_path).count(3) == 2


def test_dead_maker_is_an_error_and_not_a_hang(tmp_path, capfd):
    with pytest.raises(RuntimeError, match="exit code 1"), pool(tmp_path, workers=1, broken=True) as pairs:
        pairs.pair(0)
    assert "cannot make pairs" in capfd.readouterr().err


def test_killed_maker_is_an_error_and_not_a_hang(tmp_path):
    kill = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL  # the former cannot be caught there
    with pytest.raises(RuntimeError, match=f"exit code -?{kill:d}"), pool(tmp_path, workers=1) as pairs:
        os.kill(int(pairs.pair(0)["maker"][0]), kill)
        pairs.range(100_000)
        pairs.pair(50_000)


def test_stop_ends_the_wait_for_a_pair(tmp_path):
    with ThreadPoolExecutor(1) as executor, pool(tmp_path, workers=0) as pairs:
        waits = executor.submit(pairs.pair, 0)
        pairs.stop()
        with pytest.raises(RuntimeError, match=r"pair 0 .* no longer waited for"):
            waits.result(timeout=60)


def test_it_is_told_how_many_are_made_while_one_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.data.pair_pool._TELL_EVERY", 0.0)
    told = []
    with pool(tmp_path, workers=1, waiting=lambda *each: told.append(each)) as pairs:
        pairs.pair(3)
    assert told[0][0] < 4
    assert {wanted for _, wanted in told} == {4}
    assert told == sorted(told)


def test_a_disk_without_room_is_said_before_pairs_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.data.pair_pool.shutil.disk_usage", lambda _: SimpleNamespace(free=14_000))
    with pytest.raises(OutputError, match=r"--set data.pool=N"):  # 264 slots of 7 numbers take 14,784 bytes
        pool(tmp_path)
    assert not (tmp_path / "pool" / "identity.json").exists()
    monkeypatch.setattr("unblur.data.pair_pool.shutil.disk_usage", lambda _: SimpleNamespace(free=15_000))
    pool(tmp_path)
