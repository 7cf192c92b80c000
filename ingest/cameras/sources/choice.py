"""
Which of the streams that a camera lists is read: the smallest that still shows enough. Each is opened once to learn its
size, one after the other, since many cameras give one session only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from ingest.cameras.sources.stream import VideoStream
from ingest.errors import SourceError
from ingest.registry.district import Camera

Open = Callable[[Camera, bool], VideoStream]  # the second: whether to look longer, so that the size is known

_OF_THE_STREAM = frozenset(["not_found", "no_video", "broken_stream"])  # causes that another stream may not share


def chosen(widths_px: Mapping[str, int], width_px_min: int) -> str:
    """
    The address of the smallest stream that is wide enough, else of the widest; of equals the first.

    Args:
        widths_px: by address, at least one; 0 where the width is not known.
    """
    enough = {url: width for url, width in widths_px.items() if width >= width_px_min}
    return min(enough, key=lambda url: enough[url]) if enough else max(widths_px, key=lambda url: widths_px[url])


class StreamChoice:
    """Of one camera; it is made anew after a chosen stream turned out to be none."""

    def __init__(self, width_px_min: int) -> None:
        self._width_px_min = width_px_min
        self._url: str | None = None

    def open(self, camera: Camera, opens: Open) -> VideoStream:
        """
        Raises:
            SourceError: the chosen stream, or every one of them, cannot be opened.
        """
        if not camera.other_urls:
            return opens(camera, False)
        if self._url is None:
            self._url = self._look(camera, opens)
        try:
            return opens(msgspec.structs.replace(camera, url=self._url), False)
        except SourceError as error:
            if error.cause in _OF_THE_STREAM:
                self._url = None
            raise

    def _look(self, camera: Camera, opens: Open) -> str:
        widths_px: dict[str, int] = {}
        failure: SourceError | None = None
        for url in (camera.url, *camera.other_urls):
            try:
                stream = opens(msgspec.structs.replace(camera, url=url), True)
            except SourceError as error:
                # Of the camera itself, the next address would only be one more try: an account may be locked by them.
                if error.cause not in _OF_THE_STREAM:
                    raise
                failure = failure or error
                continue
            widths_px[url] = stream.size[0]
            stream.close()
        if failure is not None and not widths_px:
            raise failure
        return chosen(widths_px, self._width_px_min)
