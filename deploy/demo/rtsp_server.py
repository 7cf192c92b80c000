"""
An RTSP/1.0 server in this process: many streams on one port, packets interleaved in the TCP connection.

    server = RtspServer()
    server.start()
    gate = server.add_stream("gate-7", metadata=True)
    gate.push_video(access_unit, pts_s=0.0, keyframe=True)
    gate.push_metadata(xml, pts_s=0.0)
    ... read it at gate's address, server.url_of("gate-7") ...
    server.stop()

UDP is refused with 461, as cameras behind a firewall do. Source: RFC 2326.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from urllib.parse import quote

from deploy.demo.rtsp_message import Request, Response, challenge, is_authorized, take_request
from deploy.demo.rtsp_stream import Reader, Stream

__all__ = ["Request", "Response", "RtspServer", "Stream"]

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
REALM = "camera"


class RtspServer:
    """
    Serves streams on one loopback port, from one thread of its own.

    Args:
        host: address to listen on.
        port: 0 takes a free one; `port` is the real one after `start`.
        user, password: where both are given, every request but OPTIONS needs their digest.
        queue_bytes_max: bytes that one client may owe before it loses frames.
        report_period_s: time between two sender reports.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        user: str | None = None,
        password: str | None = None,
        queue_bytes_max: int = 2**20,
        report_period_s: float = 2.0,
    ) -> None:
        self.host, self.port = host, port
        self.user, self.password = user, password
        self.queue_bytes_max = queue_bytes_max
        self.report_period_s = report_period_s
        self.streams: dict[str, Stream] = {}
        self.nonce = secrets.token_hex(16)
        self.connections: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rtsp-server", daemon=True)
        self._listener: asyncio.Server | None = None

    def start(self) -> None:
        """
        Listen; returns when clients can connect.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        try:
            self._listener = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        except BaseException:
            self._end_loop()
            raise
        self.port = self._listener.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Cut all clients and free the port. A second call does nothing."""
        if self._listener is not None:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
            self._listener = None
        self._end_loop()

    def add_stream(self, path: str, *, video: bool = True, metadata: bool = False) -> Stream:
        """
        A new stream at `path`, served at once.

        Raises:
            ValueError: the path is in use, or the stream would have no track.
        """
        path = path.strip("/")
        if path in self.streams:
            raise ValueError(f"stream {path}: expected a new path, but it is served already. Choose another.")
        if not (video or metadata):
            raise ValueError(f"stream {path}: expected video or metadata, got neither. Set one of the two.")
        self.streams[path] = stream = self.make_stream(path, video, metadata)
        return stream

    def url_of(self, path: str, *, credentials: bool = False) -> str:
        """The address of a stream, with user and password only where asked for."""
        who = ""
        if credentials and self.user is not None:
            who = f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@"
        return f"rtsp://{who}{self.host}:{self.port}/{path.strip('/')}"

    @property
    def plays(self) -> int:
        """PLAY requests granted since the start."""
        return sum(stream.plays for stream in tuple(self.streams.values()))

    @property
    def teardowns(self) -> int:
        """Readings that ended with a TEARDOWN."""
        return sum(stream.teardowns for stream in tuple(self.streams.values()))

    @property
    def clients(self) -> int:
        """Clients that are reading now."""
        return sum(len(stream.readers) for stream in tuple(self.streams.values()))

    # What a server with faults changes.
    def make_stream(self, path: str, video: bool, metadata: bool) -> Stream:
        """The stream object of a new path."""
        return Stream(path, self._loop, video, metadata, self.report_period_s)

    def answer_instead(self, request: Request, stream: Stream) -> Response | None:
        """An answer that replaces the proper one; None for the proper one."""
        return None

    def password_of(self, stream: Stream) -> str | None:
        """The password that a stream asks for."""
        return self.password

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: Connection(self), self.host, self.port, backlog=512)

    async def _close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in tuple(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # one turn of the loop, in which the aborted transports close their sockets

    def _end_loop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()


class Connection(asyncio.Protocol):
    """One client's connection: reads requests, answers them, and is a reader of one stream between PLAY and its end."""

    transport: asyncio.Transport

    def __init__(self, server: RtspServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._session = secrets.token_hex(8)
        self._channels: dict[int, tuple[int, int]] = {}
        self._playing: tuple[Stream, Reader] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, with or without a TEARDOWN."""
        self._server.connections.discard(self)
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._buffer += data
        try:
            while (request := take_request(self._buffer)) is not None:
                self._answer(request)
        except ValueError:
            self.transport.write(Response(400).encode("0"))
            self.transport.close()

    def _answer(self, request: Request) -> None:
        sequence = request.headers.get("cseq", "0")
        server, stream = self._server, self._server.streams.get(request.path)
        if request.method == "OPTIONS":
            response = Response(200, {"Public": METHODS})
        elif stream is None:
            response = Response(404)
        else:
            refused = server.answer_instead(request, stream) or self._refusal(request, stream)
            response = refused or self._serve(request, stream)
        if response.status == 0:  # a server with faults: accept, and never answer
            return
        self.transport.write(response.encode(sequence))
        # Packets only after the answer to PLAY, or the client takes them for it.
        if request.method == "PLAY" and response.status == 200 and stream is not None:
            reader = Reader(self.transport, dict(self._channels), server.queue_bytes_max)
            self._playing = stream, reader
            stream.join(reader)

    def _refusal(self, request: Request, stream: Stream) -> Response | None:
        user, password = self._server.user, self._server.password_of(stream)
        if user is None or password is None:
            return None
        is_known = is_authorized(request, user, password, REALM, self._server.nonce)
        return None if is_known else challenge(REALM, self._server.nonce)

    def _serve(self, request: Request, stream: Stream) -> Response:
        session = {"Session": f"{self._session};timeout=60"}
        match request.method:
            case "DESCRIBE":
                headers = {"Content-Base": f"{request.url.rstrip('/')}/", "Content-Type": "application/sdp"}
                return Response(200, headers, stream.description().encode())
            case "SETUP":
                return self._set_up(request, stream, session)
            case "PLAY" if self._playing is None and self._channels:
                info = stream.rtp_info(request.url, sorted(self._channels))
                return Response(200, session | {"Range": "npt=now-", "RTP-Info": info})
            case "GET_PARAMETER":
                return Response(200, session)
            case "TEARDOWN":
                stream.teardowns += self._playing is not None
                self._leave()
                return Response(200, session)
            case "PLAY":
                return Response(455)
        return Response(501)

    def _set_up(self, request: Request, stream: Stream, session: dict[str, str]) -> Response:
        channels = request.channels
        if channels is None:
            return Response(461)
        if request.track >= len(stream.tracks):
            return Response(404)
        self._channels[request.track] = channels
        transport = f"RTP/AVP/TCP;unicast;interleaved={channels[0]}-{channels[1]}"
        return Response(200, session | {"Transport": transport})

    def _leave(self) -> None:
        if self._playing is not None:
            stream, reader = self._playing
            stream.leave(reader)
            self._playing = None
