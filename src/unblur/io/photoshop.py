"""Photoshop resource blocks, as JPEG, PNG, TIFF, JPEG 2000 and Photoshop files hold them.

Source: Adobe Photoshop File Formats Specification, image resources.
"""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

__all__ = ["IPTC", "THUMBNAILS", "Block", "block_of", "blocks_of", "without_blocks"]

SIGNATURE = b"8BIM"
IPTC = 1028
THUMBNAILS = (1033, 1036)


@dataclass(frozen=True)
class Block:
    """A block: its number, its content, and all of its bytes, made even."""

    number: int
    content: bytes
    whole: bytes


def blocks_of(resources: bytes) -> Iterator[Block]:
    """Yield the blocks, up to the first that is damaged."""
    at = 0
    while resources[at : at + 4] == SIGNATURE and at + 12 <= len(resources):
        head = at + 6 + (resources[at + 6] + 2) // 2 * 2  # a length byte and the name, made even
        begin = head + 4
        end = begin + int.from_bytes(resources[head:begin], "big")
        if end > len(resources):
            return
        odd = (end - begin) % 2
        yield Block(int.from_bytes(resources[at + 4 : at + 6], "big"), resources[begin:end], resources[at:end] + bytes(odd))
        at = end + odd


def block_of(number: int, content: bytes) -> bytes:
    """A block without a name."""
    return SIGNATURE + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


def without_blocks(resources: bytes, numbers: Collection[int]) -> bytes:
    """All blocks but those of some numbers, and without what follows the first damaged one."""
    return b"".join(block.whole for block in blocks_of(resources) if block.number not in numbers)
