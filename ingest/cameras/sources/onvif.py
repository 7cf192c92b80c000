"""An open metadata connection of one camera: RTSP without the video track, so nearly no traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av.error
from av.container import InputContainer

from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.address import address_of, password_of
from ingest.cameras.sources.assembly import Assembly
from ingest.cameras.sources.cause import reading_error, source_error
from ingest.cameras.sources.host import check_host
from ingest.cameras.sources.redirect import check_redirect
from ingest.cameras.sources.stream import RTSP, open_container
from ingest.errors import SourceError
from ingest.registry.district import Camera

_OPTIONS = {**RTSP, "allowed_media_types": "data", "analyzeduration": "0", "probesize": "32"}


class MetadataStream:
    """Open with `open_metadata`; always `close`."""

    def __init__(self, camera: Camera, container: InputContainer) -> None:
        self.camera, self._container = camera, container
        self.assembly = Assembly()

    def documents(self, hold_back: Callable[[int], None]) -> Iterator[bytes]:
        """
        Whole documents as they come.

        Args:
            hold_back: called with the size of each packet; may wait.

        Raises:
            SourceError: `stalled` when nothing comes within the deadline, `closed` when the camera ends the stream.
        """
        try:
            for packet in self._container.demux(data=0):
                if not packet.size:
                    continue
                if (document := self.assembly.add(bytes(packet), packet.pts)) is not None:
                    yield document
                hold_back(packet.size)
        except av.error.FFmpegError as error:
            raise reading_error(self.camera, error) from None
        raise source_error(self.camera, "closed", "the end of the stream", "a stream without end")

    def close(self) -> None:
        self._container.close()


def open_metadata(camera: Camera, settings: IngestSettings) -> MetadataStream:
    """
    Raises:
        SourceError: with its cause; nothing stays open.
    """
    check_host(camera)
    check_redirect(camera, settings.open_s_max)
    silence_s = settings.metadata_silence_s_max
    options = {**_OPTIONS, "timeout": str(int(silence_s * 1e6))}
    address = address_of(camera, password_of(camera, settings.password_command))
    try:
        container = open_container(camera, address, options, settings.open_s_max, silence_s)
    except SourceError as error:
        if error.cause != "refused":
            raise
        # With nothing to set up, PLAY is what the camera refuses.
        got = "a refusal (4xx): it has no metadata track, or no session free"
        raise source_error(camera, "refused", got, "a metadata track") from None
    if not container.streams.data:
        container.close()
        raise source_error(camera, "no_video", "no metadata track", "a metadata track")
    return MetadataStream(camera, container)
