import pytest

from unblur.io import x264


@pytest.mark.parametrize(
    ("has_avx_512", "parameters", "expected"),
    [
        (False, "", ""),
        (False, "log-level=error", "log-level=error"),
        (True, "", x264.WITHOUT_AVX_512),
        (True, "tff=1", f"tff=1:{x264.WITHOUT_AVX_512}"),
    ],
)
def test_avx_512_is_left_out_where_it_is(monkeypatch, has_avx_512, parameters, expected):
    monkeypatch.setattr(x264.cv2, "checkHardwareSupport", lambda number: has_avx_512 and number == x264.AVX_512F)
    assert x264.reproducible(parameters) == expected
