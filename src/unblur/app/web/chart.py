"""Lines over time as SVG, with the values as a table beside it for who cannot see it."""

from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["chart"]

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 34
_COLOURS = ("#6b7280", "#2563eb", "#d97706")


def chart(series: Mapping[str, Points], *, title: str, across: str) -> str:
    """A chart of several lines from 0 up, as HTML.

    Args:
        series: points (x, y) by the names of the lines, at least one point in all.
        title: what is drawn.
        across: what x is.
    """
    points = [point for line in series.values() for point in line]
    least, most = min(x for x, _ in points), max(x for x, _ in points)
    top = max(1e-9, *(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (x - least) / (most - least) if most > least else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM)

    lines, key = [], []
    for (name, line), colour in zip(series.items(), _COLOURS, strict=False):
        at = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in at)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}')
        key.append(f'<span><span aria-hidden="true" style="color:{colour}">●</span> {escape(name)}</span>')
    base, ceiling = place(least, 0)[1], place(least, top)[1]
    axes = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" stroke-opacity="0.3"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for y, value in ((base, 0.0), (ceiling, top))
    )
    ticks = "".join(
        f'<text x="{x:.1f}" y="{_HEIGHT - 18}" text-anchor="{anchor}">{value:.3g}</text>'
        for x, value, anchor in ((_LEFT, least, "start"), (_WIDTH - _RIGHT, most, "end"))
    )
    return (
        f'<figure class="unblur-chart"><figcaption>{escape(title)} {" ".join(key)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" fill="currentColor" font-size="11">'
        f'{axes}{ticks}<text x="{_WIDTH / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{escape(across)}</text>{"".join(lines)}</svg>'
        f"<details><summary>Values</summary>{_table(series, across)}</details></figure>"
    )


def _table(series: Mapping[str, Points], across: str) -> str:
    rows: dict[float, dict[str, float]] = {}
    for name, line in series.items():
        for x, y in line:
            rows.setdefault(x, {})[name] = y
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in series)
    body = "".join(
        f'<tr><th scope="row">{x:.2f}</th>'
        + "".join(f"<td>{row[name]:.2f}</td>" if name in row else "<td></td>" for name in series)
        + "</tr>"
        for x, row in sorted(rows.items())
    )
    return f'<table><thead><tr><th scope="col">{escape(across)}</th>{head}</tr></thead><tbody>{body}</tbody></table>'
