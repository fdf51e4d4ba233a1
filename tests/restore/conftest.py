"""Loads the makers of test clips and of toy networks, which are no test modules themselves."""

import importlib.util
import sys
from pathlib import Path

here = Path(__file__).parent
for name, path in (("clips", here.parent / "io" / "clips.py"), ("nets", here / "nets.py")):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
