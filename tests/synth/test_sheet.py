import cv2
import numpy as np
import pytest

from unblur.errors import InputError, OutputError
from unblur.synth.sheet import contact_sheet, write_sheet

PAIRS = [(np.full((20, 40, 3), 10 * number, np.uint8), np.full((20, 40, 3), 10 * number + 5, np.uint8)) for number in range(5)]


def test_blurry_lies_above_sharp_row_by_row():
    sheet = contact_sheet(PAIRS, columns=3, width=40)
    assert sheet.shape == (2 * 40 + 4, 3 * 40 + 2 * 4, 3)
    assert sheet[10, 44 + 5, 0] == 10
    assert sheet[30, 44 + 5, 0] == 15
    assert sheet[44 + 10, 5, 0] == 30
    assert (sheet[44:, 2 * 44 :] == 255).all()  # no sixth pair
    assert contact_sheet(PAIRS, columns=5, width=40).shape[0] == 40


def test_large_pictures_are_shrunk_and_small_ones_left():
    assert contact_sheet(PAIRS[:1], columns=1, width=20).shape == (20, 20, 3)
    assert contact_sheet(PAIRS[:1], columns=1, width=80).shape == (40, 80, 3)


def test_sheet_is_written_once(tmp_path):
    write_sheet(PAIRS, tmp_path / "sheet.jpg", columns=2, width=40)
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape == contact_sheet(PAIRS, columns=2, width=40).shape
    with pytest.raises(OutputError, match="exists"):
        write_sheet(PAIRS, tmp_path / "sheet.jpg", columns=2, width=40)
    write_sheet(PAIRS[:1], tmp_path / "sheet.jpg", columns=1, width=40, overwrite=True)


@pytest.mark.parametrize(("pairs", "columns", "width"), [([], 1, 40), (PAIRS, 0, 40), (PAIRS, 1, 0)])
def test_refuses_nothing(pairs, columns, width):
    with pytest.raises(InputError, match="at least"):
        contact_sheet(pairs, columns=columns, width=width)
