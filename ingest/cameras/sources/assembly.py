"""Metadata documents from the pieces that arrive: one document may span several RTP packets of one time."""

from __future__ import annotations

DOCUMENT_BYTES_MAX = 1024 * 1024
_END = b"MetadataStream>"


class Assembly:
    """
    Attributes:
        torn: documents that never came whole, or were too large.
    """

    def __init__(self, bytes_max: int = DOCUMENT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._pieces = bytearray()
        self._pts: int | None = None
        self._too_large = False
        self.torn = 0

    def add(self, piece: bytes, pts: int | None) -> bytes | None:
        """The document that `piece` completes, None where it is not whole yet."""
        # At the start of a stream times are missing: pieces without one still belong to the next.
        torn = pts != self._pts and (self._pts is not None or piece.lstrip().startswith(b"<?xml"))
        if torn and self._pieces:
            self._tear()
        if pts != self._pts:
            self._too_large = False
        self._pts = pts
        if self._too_large:
            return None
        self._pieces += piece
        if len(self._pieces) > self._bytes_max:
            self._tear()
            self._too_large = True
            return None
        tail = bytes(self._pieces[-64:]).rstrip()
        if not (tail.endswith(_END) or (tail.endswith(b"/>") and self._is_empty_root())):
            return None
        document = bytes(self._pieces)
        self._pieces.clear()
        return document

    def _is_empty_root(self) -> bool:
        """A root without children ends itself."""
        start = self._pieces.find(b"MetadataStream")
        return start >= 0 and self._pieces.find(b">", start) == len(self._pieces.rstrip()) - 1

    def _tear(self) -> None:
        self.torn += 1
        self._pieces.clear()
