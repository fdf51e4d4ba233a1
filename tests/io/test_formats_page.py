"""The page of formats names what the code reads, writes and refuses, and no more."""

import re
from pathlib import Path

from unblur.io.encoders import CONTAINERS, HOLDS
from unblur.io.image import ONLY_AS_READ, READABLE, WRITABLE
from unblur.io.picture import MAX_PIXELS

PAGE = (Path(__file__).parents[2] / "docs/reference/formats.md").read_text(encoding="utf-8")
PARTS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")}
PHOTOS, VIDEOS = PARTS["Photos"], PARTS["Videos"]
CODECS = {
    "H.264": "libx264",
    "H.265": "libx265",
    "VP9": "libvpx-vp9",
    "AV1": "libsvtav1",
    "ProRes": "prores_ks",
    "FFV1": "ffv1",
}


def rows(part):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|(?!-).*\|$", part, flags=re.MULTILINE)[1:]]


def test_all_kinds_of_photos_are_named():
    table = rows(PHOTOS)
    assert tuple(row[0].partition(",")[0] for row in table) == READABLE
    assert sorted(suffix for row in table for suffix in re.findall(r"`(\.\w+)`", row[2])) == sorted((*WRITABLE, *ONLY_AS_READ))
    assert f"{MAX_PIXELS // 1_000_000} megapixels" in PHOTOS


def test_containers_and_their_codecs_are_named():
    table = {suffix: row[1] for row in rows(VIDEOS.partition("\n### ")[0]) for suffix in re.findall(r"`(\.\w+)`", row[0])}
    assert table.keys() == CONTAINERS.keys()
    for suffix, codecs in table.items():
        assert {CODECS[codec] for codec in codecs.split(", ")} == HOLDS[CONTAINERS[suffix]], suffix
