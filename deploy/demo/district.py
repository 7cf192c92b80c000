"""
A district that needs no camera: a square with a story, four video cameras over it, and streets around it.

    district = DemoDistrict(Path("var/demo"))
    district.start()        # from now on its cameras can be read over RTSP; the story waits for the first viewer
    ... district.cameras_csv, district.zones_geojson ...
    district.stop()

Everything is served by the RTSP server of this package, so the product reads it as it reads a real district.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from deploy.demo import story
from deploy.demo.backdrop import Picture, ground_texture
from deploy.demo.encoder import Encoder
from deploy.demo.files import write_cameras, write_zones
from deploy.demo.picture import Painter
from deploy.demo.place import SQUARE_AREAS, SQUARE_MASTS, Mast
from deploy.demo.rtsp_server import Request, Response, RtspServer, Stream
from deploy.demo.streets import Streets
from deploy.demo.view import HEIGHT, WIDTH, Pinhole

RATE_HZ = 5  # pictures a second of each video camera
KEY_FRAME_S = 1.0
LATE_S_MAX = 1.0  # behind by more than this, pictures are skipped instead of made late

_BEATS_HZ = RATE_HZ * len(SQUARE_MASTS)  # one beat paints one camera, and sends the metadata of a share of the streets


class DemoDistrict:
    """
    Serves the district from two threads of this process: one paints, one sends.

    The story waits for its first viewer: it begins when somebody reads a video camera, or with `begin_story`.

    Args:
        folder: where the district's files are written at the start.
        seed: another seed, other people.
        port: of the RTSP server; 0 takes a free one.
        metadata_cameras: how many cameras in the streets.
        begins_at_s: where in the story it begins.
    """

    def __init__(
        self, folder: Path, seed: int = 1, port: int = 0, metadata_cameras: int = 200, *, begins_at_s: float = 0.0
    ) -> None:
        self.folder, self.seed = folder, seed
        self.cameras_csv, self.zones_geojson = folder / "cameras.csv", folder / "zones.geojson"
        self.streets = Streets(seed, metadata_cameras)
        self.server = _Server(port=port)
        self._begins_at_s = begins_at_s
        self._served_s: float | None = None
        self._story_s: float | None = None  # on the same clock: when the story was at 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, name="demo-district", daemon=True)

    @property
    def url(self) -> str:
        """Address of the RTSP server; a camera's id is its path."""
        return f"rtsp://{self.server.host}:{self.server.port}"

    @property
    def elapsed_s(self) -> float:
        """Time of the story in seconds: stands still before it begins, goes on growing when it repeats."""
        return self._begins_at_s if self._story_s is None else time.monotonic() - self._story_s

    def begin_story(self) -> None:
        """Begin without waiting for a viewer. A second call does nothing."""
        if self._story_s is None:
            self._story_s = time.monotonic() - self._begins_at_s

    def start(self) -> None:
        """
        Write the files and serve.

        Raises:
            OSError: the port is taken, or the folder cannot be written.
        """
        ground = ground_texture(self.seed)
        cameras = [_SquareCamera(mast, ground, self.server, self.seed) for mast in SQUARE_MASTS]
        streams = {camera.id: _metadata_stream(self.server, camera.id) for camera in self.streets.cameras}
        self.server.start()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_cameras(self.cameras_csv, self.url, SQUARE_MASTS, self.streets.cameras)
        write_zones(self.zones_geojson, (*SQUARE_AREAS, *self.streets.zones()))
        self._cameras, self._streams = cameras, streams
        self._served_s = time.monotonic()
        for stream in self.server.streams.values():
            stream.begin_at(time.time())
        self._thread.start()

    def stop(self) -> None:
        """End the story, and close every connection. A second call does nothing."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self.server.stop()

    def occupancy_at(self, t_s: float) -> dict[str, int]:
        """Persons in each zone at time `t_s` of the story: the truth that estimates are held to."""
        return story.square_occupancy(self.seed, t_s) | self.streets.occupancy_at(t_s)

    def _play(self) -> None:
        beat = 0
        while not self._ended.wait(max(0.0, beat / _BEATS_HZ - self._up_s())):
            if self._up_s() - beat / _BEATS_HZ > LATE_S_MAX:
                beat = int(self._up_s() * _BEATS_HZ)
            if any(camera.is_watched for camera in self._cameras):
                self.begin_story()
            pts_s, story_s = beat / _BEATS_HZ, self.elapsed_s
            self._cameras[beat % len(self._cameras)].show(pts_s, story_s)
            # Each street camera once a second, a twentieth of them at each beat.
            share = slice(beat % _BEATS_HZ, None, _BEATS_HZ)
            for camera, document in self.streets.documents_at(story_s, time.time(), share):
                self._streams[camera.id].push_metadata(document, pts_s)
            beat += 1

    def _up_s(self) -> float:
        assert self._served_s is not None
        return time.monotonic() - self._served_s


class _SquareCamera:
    """A camera of the square: what it sees, its encoder and its stream."""

    def __init__(self, mast: Mast, ground: Picture, server: _Server, seed: int) -> None:
        self._id, self._server, self._seed = mast.id, server, seed
        self._painter = Painter(Pinhole(mast), ground, seed)
        self._stream = server.add_stream(mast.id)
        self._encoder: Encoder | None = None

    @property
    def is_watched(self) -> bool:
        """Whether anybody reads it."""
        return bool(self._stream.readers)

    def show(self, pts_s: float, story_s: float) -> None:
        """Send the picture of a time of the story; or, while the story wants the stream dead, cut it."""
        if story.is_dead(self._id, story.story_time_s(story_s)):
            self._server.dead.add(self._id)
            self._stream.close_readers()
            self._encoder = None
            return
        # A stream that comes back starts with a key frame.
        self._encoder = self._encoder or Encoder(WIDTH, HEIGHT, RATE_HZ, KEY_FRAME_S)
        covered = story.covered_share(self._id, story.story_time_s(story_s))
        unit = self._encoder.encode(self._painter.paint(story.scene_at(self._seed, story_s), covered))
        self._stream.push_video(unit.data, pts_s, unit.is_key)
        self._server.dead.discard(self._id)


class _Server(RtspServer):
    """Answers 503 for streams that the story has cut."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)
        self.dead: set[str] = set()

    def answer_instead(self, request: Request, stream: Stream) -> Response | None:
        """Service unavailable while the stream is dead."""
        return Response(503) if stream.path in self.dead else None


def _metadata_stream(server: RtspServer, path: str) -> Stream:
    return server.add_stream(path, video=False, metadata=True)
