"""Names of the channels of a broadcast, which FFmpeg reads into programs, and PyAV does not give.

Source: ISO/IEC 13818-1, 2.4.3 (packets); ETSI EN 300 468, 5.2.3 (service description) and 6.2.33 (service descriptor), annex A (letters).
"""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["channels_of"]

PROBED_BYTES = 1 << 22
"""Of the file; the table comes every two seconds."""

NO_NAME = "Service01"
"""What FFmpeg writes where it knows none."""

SYNC, PACKET = 0x47, 188
SERVICES, TABLE, NAME = 0x11, 0x42, 0x48


def channels_of(path: Path) -> list[str]:
    """Names of the channels that a transport stream has; empty if it names none in its first packets."""
    with path.open("rb") as file:
        data = file.read(PROBED_BYTES)
    names = (name for section in _sections(data) for name in _names(section))
    return [name for name in dict.fromkeys(names) if name not in ("", NO_NAME)]


def _sections(data: bytes) -> Iterator[bytes]:
    """The tables of services, as far as each is in one packet."""
    stride, at = (192, 4) if data[4:5] == b"\x47" and data[196:197] == b"\x47" else (PACKET, 0)
    for begin in range(at, len(data) - PACKET + 1, stride):
        packet = data[begin : begin + PACKET]
        number = int.from_bytes(packet[1:3], "big") & 0x1FFF
        if packet[0] != SYNC or number != SERVICES or not packet[1] & 0x40:
            continue
        payload = packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]
        section = payload[1 + payload[0] :] if payload else b""
        if section[:1] == bytes((TABLE,)):
            yield section[: 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)]


def _names(section: bytes) -> Iterator[str]:
    at = 11
    while at + 5 <= len(section) - 4:  # behind all is a checksum
        end = at + 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
        inner = at + 5
        while inner + 2 <= min(end, len(section)):
            kind, length = section[inner : inner + 2]
            if kind == NAME and inner + 2 + length <= len(section):
                body = section[inner + 2 : inner + 2 + length]
                provider = body[1] if len(body) > 1 else 0
                yield _text(body[3 + provider :][: body[2 + provider] if len(body) > 2 + provider else 0])
            inner += 2 + length
        at = end


def _text(letters: bytes) -> str:
    if letters[:1] == b"\x15":
        return letters[1:].decode("utf-8", "replace")
    return letters.decode("latin-1").lstrip("".join(map(chr, range(0x20)))).strip()
