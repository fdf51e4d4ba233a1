"""Results of the published tables, as data, each with its source and what that source says of its protocol.

The tables are in `published.yaml` beside this module. Numbers of two sources must not be compared to the last digit: none of
them says which form of SSIM it measured, and the forms differ by 0.03 on the same pictures (`unblur.metrics.protocols`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from unblur.errors import InputError

__all__ = ["Published", "find", "read_published", "systems"]


_PICTURES = re.compile(r"(?:over|all) (\d+)|(\d+) (?:pictures|frames)")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A row of a published table.

    Attributes:
        source: key of the paper, such as `tang2022`.
        citation: the paper in words.
        table: which table of it.
        row: what the table calls the method or variant.
        system: name as for `unblur.models.create` where there is such a network, else a short one; `blurry` is the input.
        data: data set, such as `GoPro`.
        sequence: sequence of it that alone was measured, empty for all.
        protocol: what the source says of how it measured.
        hardware: on what seconds were measured, empty if the source does not say.
        origin: where the figures were read: `document`, one of the documents that the project follows, which are the source itself but for
            `nah2017`, of which they are a summary; or `paper`, the cited paper, where those documents do not quote it.
        note: what of the row is inferred or has not been checked, empty if nothing is.
        values: `psnr` in dB, `ssim`, `mssim`, `parameters_m` in millions, `seconds` a picture; what is blank in the table is missing.
    """

    source: str
    citation: str
    table: str
    row: str
    system: str
    data: str
    sequence: str
    protocol: str
    hardware: str
    origin: Literal["document", "paper"]
    note: str
    values: dict[str, float]

    @property
    def pictures(self) -> int | None:
        """Over how many pictures the figures are means, as far as the source says; None if it does not."""
        found = _PICTURES.search(self.protocol)
        return int(next(group for group in found.groups() if group)) if found and not self.sequence else None


@cache
def read_published() -> tuple[Published, ...]:
    """All rows, in the order of the tables.

    Example:
        >>> [row.values["psnr"] for row in read_published() if row.table == "table 4-3"]
        [29.26, 31.38, 31.62, 32.54]
    """
    text = (files("unblur.bench") / "published.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    return tuple(row for table in document["tables"] for row in _rows(table, document["sources"][table["source"]]))


def systems() -> list[str]:
    """Systems that have a published row, sorted."""
    return sorted({row.system for row in read_published()})


def find(*, system: str | None = None, data: str | None = None, sequences: bool = False) -> list[Published]:
    """Rows of one system, of one data set, or of both.

    Args:
        system: name of a system; all if None.
        data: name of a data set, in any case; all if None.
        sequences: give the rows of single sequences too.

    Raises:
        InputError: if nothing is published of that system or data; the message lists what there is.
    """
    known = {"system": set(systems()), "data set": {row.data.lower() for row in read_published()}}
    for what, wanted in (("system", system), ("data set", data.lower() if data is not None else None)):
        if wanted is not None and wanted not in known[what]:
            near = get_close_matches(wanted, known[what], n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise InputError(f"nothing is published here of the {what} `{wanted}`; {hint}there is {', '.join(sorted(known[what]))}")
    return [
        row
        for row in read_published()
        if system in (None, row.system) and (data is None or row.data.lower() == data.lower()) and (sequences or not row.sequence)
    ]


def _rows(table: dict[str, Any], citation: str) -> Iterator[Published]:
    def row(system: str, name: str, values: dict[str, float | None], sequence: str = "") -> Published:
        return Published(
            source=table["source"],
            citation=citation,
            table=table["table"],
            row=name,
            system=system,
            data=table["data"],
            sequence=sequence,
            protocol=table["protocol"],
            hardware=table.get("hardware", ""),
            origin=table.get("origin", "document"),
            note=table.get("notes", {}).get(system, table.get("note", "")),
            values={measure: value for measure, value in values.items() if value is not None},
        )

    for system, name, *values in table.get("rows", ()):
        yield row(system, name, dict(zip(table["columns"], values, strict=True)))
    for sequence, measures in table.get("sequences", {}).items():
        for place, (system, name) in enumerate(zip(table["by_sequence"], table["names"], strict=True)):
            yield row(system, name, {measure: values[place] for measure, values in measures.items()}, sequence)
