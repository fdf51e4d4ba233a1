from contextlib import nullcontext

import pytest

from unblur.cluster import results


@pytest.fixture
def use_workers(monkeypatch):
    """Has all work done by workers that are handed in, without a cluster."""
    monkeypatch.setattr(results, "connected", lambda _: nullcontext())
    return lambda workers: monkeypatch.setattr(results, "RayWorkers", lambda **_: workers)
