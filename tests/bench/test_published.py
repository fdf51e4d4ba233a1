"""The published tables: what is copied must add up, and be found again."""

from collections import Counter

import pytest

from unblur.bench.published import find, read_published, systems
from unblur.errors import InputError
from unblur.models import names

FRAMES = {"GOPR0410_11_00": 134, "GOPR0862_11_00": 77}  # of 1111; the other nine sequences have 100 each


def test_every_number_is_in_its_range():
    for row in read_published():
        assert 15 < row.values["psnr"] < 40
        assert 0.6 < row.values.get("ssim", row.values.get("mssim")) < 1
        assert row.citation
        assert row.protocol


@pytest.mark.parametrize(("measure", "rounding"), [("psnr", 0.012), ("ssim", 0.00012)])
@pytest.mark.parametrize("system", ["deepdeblur", "deblurgan", "svrnn", "srn", "dmphn", "pssnsc", "mscnn"])
def test_sequences_add_up_to_the_mean(system, measure, rounding):
    rows = [row for row in find(system=system, sequences=True) if row.table == "table 2" and row.source == "tang2022"]
    single = [row for row in rows if row.sequence]
    whole = next(row for row in rows if not row.sequence)
    weights = [FRAMES.get(row.sequence, 100) for row in single]
    assert sum(weights) == 1111
    mean = sum(row.values[measure] * weight for row, weight in zip(single, weights, strict=True)) / 1111
    assert mean == pytest.approx(whole.values[measure], abs=rounding)


def test_the_one_method_that_does_not_add_up_is_known():
    """The sequences of Xu et al. give 21.82 dB and 0.7657, the table's mean is 22.00 and 0.7665; both are kept as printed."""
    rows = [row for row in find(system="l0", sequences=True) if row.sequence]
    mean = sum(row.values["psnr"] * FRAMES.get(row.sequence, 100) for row in rows) / 1111
    assert mean == pytest.approx(21.82, abs=0.005)
    assert find(system="l0")[0].values["psnr"] == 22.00


def test_no_row_is_there_twice():
    counts = Counter((row.source, row.table, row.system, row.row, row.sequence) for row in read_published())
    assert max(counts.values()) == 1


@pytest.mark.parametrize(
    ("system", "data", "called"),
    [("mscnn", "GoPro", {"MSCNN"}), ("astcn", "DVD", {"chapter 4", "full", "k = 3"}), ("ppnet", "DVD", {"full"})],
)
def test_a_method_has_the_same_numbers_in_all_tables_of_its_source(system, data, called):
    rows = [row for row in find(system=system, data=data) if row.row in called]
    assert len(rows) > 1
    assert len({(row.values["psnr"], row.values["ssim"]) for row in rows}) == 1


def test_find_filters_by_system_and_data():
    assert {row.data for row in find(system="mscnn")} == {"GoPro", "DVD"}
    assert {row.system for row in find(data="köhler")} == {"deepdeblur", "kim2014", "sun2015"}
    assert len(find(system="mscnn", sequences=True)) == len(find(system="mscnn")) + 11
    assert find(system="blurry")[0].values == {"psnr": 27.20, "ssim": 0.8123}


def test_rows_say_where_they_were_read_and_what_is_inferred():
    assert {row.source for row in read_published() if row.origin == "paper"} == {"nah2017"}
    assert {row.origin for row in find(system="deepdeblur") if row.source == "tang2022"} == {"document"}
    table_4 = [row for row in read_published() if (row.source, row.table) == ("tang2022", "table 4")]
    assert [row.system for row in table_4] == ["srn", "dmphn", "pssnsc", "mscnn"]
    assert all("inferred: DVD" in row.note and "trained on GoPro" in row.note for row in table_4)
    assert {row.system for row in read_published() if "not compared with a copy" in row.note} == {"kim2014", "sun2015"}
    assert not any(row.note for row in read_published() if row.source in ("thesis2022", "zou2023"))


def test_unknown_names_are_errors_with_a_hint():
    with pytest.raises(InputError, match="did you mean `mscnn`"):
        find(system="mscn")
    with pytest.raises(InputError, match="data set"):
        find(data="imagenet")


def test_systems_are_called_as_the_networks_are():
    """What has no network here is known by name, so that a misspelt name cannot pass."""
    assert set(systems()) - set(names()) == {"blurry", "kim2014", "sun2015"}
