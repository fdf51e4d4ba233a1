"""Loads the maker of tiny data sets, which is no test module itself."""

import importlib.util
import sys
from pathlib import Path

name = "trees"
spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("trees.py"))
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
