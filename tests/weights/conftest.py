"""Loads the maker of toy networks and weights, which is no test module itself."""

import importlib.util
import sys
from pathlib import Path

if "nets" not in sys.modules:
    spec = importlib.util.spec_from_file_location("nets", Path(__file__).parents[1] / "restore" / "nets.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["nets"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["nets"])
