"""Serves the page with a stand-in for the networks, in a process of its own: Gradio leaves sockets open. Ends when its standard input does.

python serve.py TESTS GATE HOST LARGEST
"""

import importlib.util
import json
import sys
from pathlib import Path
from unittest import mock


def module(name, path):
    """Load a helper of the tests."""
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class Gate:
    """Open while a file is not there."""

    def __init__(self, path):
        self._path = path

    def wait(self, seconds):
        """Whether it is open, at once or after a moment."""
        import time

        if self._path.exists():
            time.sleep(seconds)
        return not self._path.exists()


def main():
    tests, gate, host, largest = sys.argv[1:]
    module("nets", Path(tests) / "restore" / "nets.py")
    engine = module("engines", Path(tests) / "app" / "web" / "engines.py").DarkEngine()
    engine.gate = Gate(Path(gate))
    from unblur.app.web.server import served

    with mock.patch("unblur.app.web.engine.Engine", return_value=engine), served(host=host, largest=int(largest)) as page:
        said = {"url": page.url, "key": page.key, "folder": str(page.folder), "local": page.local}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
