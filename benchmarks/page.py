"""Memory and open files of `unblur web` over many files, one after the other.

The page is served as for anybody. Gradio's client sends mixed files (`benchmarks.mixed_files`: small photos and clips, some damaged), takes the results, and looks
at the server's process after each. What counts is whether it grows from the second fifth of the jobs, when every network has been loaded, to the last.

    PYTHONPATH=src python -m benchmarks.page --jobs 50 --quality best
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from benchmarks.mixed_files import make_files
from benchmarks.soak import Usage


def main() -> None:
    """Serve the page, send the files, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--quality", choices=("fast", "good", "best"), default="best")
    parser.add_argument("--size", default="160x120", help="width x height of the clips; photos are half to twice as large")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    command = [sys.executable, "-m", "unblur.app", "web", "--no-browser", "--device", "cpu"]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        source = Path(name) / "source"
        make_files(source, count=arguments.jobs - 1, frames=12, size=(width, height), generator=np.random.default_rng(arguments.seed))
        try:
            usage, outcomes = _send(server, sorted(path for path in source.rglob("*") if path.is_file()), Path(name), arguments.quality)
        finally:
            server.terminate()
    print(
        f"{arguments.jobs} files, {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}, {arguments.quality}\n"
    )
    fifth = max(arguments.jobs // 5, 1)
    for label, part in (("second fifth", slice(fifth, 2 * fifth)), ("last fifth", slice(-fifth, None))):
        memory, files = (statistics.median(values[part]) for values in (usage.memory, usage.files))
        print(f"{label:14} {memory:.0f} MiB, {files:.0f} open files")


def _send(server: subprocess.Popen[str], paths: list[Path], folder: Path, quality: str) -> tuple[Usage, Counter[str]]:
    """Send all files; gives what the server's process took after each, and how often they were restored or refused."""
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    assert server.stderr is not None
    address = urlsplit(next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line))))
    headers = {"Authorization": f"Bearer {parse_qs(address.query)['key'][0]}"}
    client = Client(f"http://{address.netloc}/", headers=headers, download_files=folder / "results", analytics_enabled=False, verbose=False)
    usage, outcomes = Usage(), Counter[str]()
    for number, path in enumerate(paths):
        try:
            result, _ = client.predict(handle_file(path), quality, 1.0, api_name="/restore")
            outcomes["restored" if Path(result).stat().st_size else "empty"] += 1
        except AppError:
            outcomes["refused"] += 1
        usage.sample(server.pid)
        print(f"{number + 1:4} {path.name:12} {usage.memory[-1]:7.0f} MiB {usage.files[-1]:4} open files", file=sys.stderr, flush=True)
    return usage, outcomes


if __name__ == "__main__":
    main()
