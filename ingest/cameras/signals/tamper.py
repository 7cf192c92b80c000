"""
What is wrong with a picture: frozen, dark, covered, blurred, washed out, moved, unsteady, without its colours.

    dark         hardly any light, and the same everywhere
    washed out   so bright, and so much of the usual detail gone, that it is the light that hides it
    covered      the usual detail is gone, and light and shade lie elsewhere than they used to
    blurred      the usual detail is gone, and light and shade are where they were
    others       `stillness`, `view`, `colour`

One cause is said for one picture, but for colours; where it is dark or covered nothing more can be told of it. What is
usual is learned only from pictures with nothing wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.cameras.signals.colour import Colour
from ingest.cameras.signals.detail import Detail, DetailFigures
from ingest.cameras.signals.sample import NS_PER_S, Sample
from ingest.cameras.signals.stillness import Stillness
from ingest.cameras.signals.view import View
from ingest.schema.tick import Picture

BLIND = Picture.DARK | Picture.COVERED | Picture.WASHED_OUT  # there is nothing to be seen in the picture
_DARK_MEAN, _DARK_SPREAD = 22.0, 14.0
_BRIGHT_MEAN, _BLEACHED, _FAINT = 140.0, 0.35, 0.4  # the last: of the usual contrast of light and shade
_LOST, _SOFT, _MENDED = 0.6, 0.7, 0.4  # share of the usually textured cells
_KEPT, _KEPT_MENDED = 0.45, 0.6  # of the energy of all of the picture
_TEXTURED_LEFT = 0.5  # cells with detail, over the usual number
_ALIKE = 0.75
_BLURRED_S = 2.0


@dataclass(frozen=True, slots=True)
class Tampering:
    flags: Picture
    sharpness: float  # standard deviation of the Laplacian, grey levels
    brightness: float  # mean grey level


class Tamper:
    """What is usual of one camera's pictures."""

    def __init__(self, frozen_s: float) -> None:
        self._stillness, self._detail, self._view, self._colour = Stillness(frozen_s), Detail(), View(), Colour()
        self._unsteady = False
        self._cause = Picture(0)  # of the loss of detail, as last said
        self._soft_since_ns: int | None = None

    def read(self, picture: Sample, at_ns: int) -> Tampering:
        """
        Args:
            at_ns: when it was captured; grows.
        """
        detail = self._detail.read(picture, unsteady=self._unsteady)
        flags = self._loss(detail, at_ns)
        view = self._view.read(picture, at_ns, detail.change, not flags & BLIND)
        self._unsteady = view.unsteady and not flags & (Picture.DARK | Picture.WASHED_OUT)
        if self._unsteady:
            flags = Picture.UNSTEADY
        elif view.moved:
            flags |= Picture.MOVED
        if self._stillness.read(picture, at_ns):
            flags |= Picture.FROZEN
        if not flags:
            self._detail.learn(picture.elapsed_s)
            self._view.learn(picture.elapsed_s)
        if not flags & BLIND and self._colour.read(
            picture.colour, detail.brightness, self._detail.noise, picture.elapsed_s, at_ns
        ):
            flags |= Picture.COLOUR_LOST
        return Tampering(flags, detail.sharpness, detail.brightness)

    def _loss(self, detail: DetailFigures, at_ns: int) -> Picture:
        """Why detail is gone, if it is."""
        if detail.brightness < _DARK_MEAN and detail.spread < _DARK_SPREAD:
            self._cause, self._soft_since_ns = Picture(0), None
            return Picture.DARK
        if detail.brightness >= _BRIGHT_MEAN and detail.bleached >= _BLEACHED:
            return Picture.WASHED_OUT
        enough, kept = (_MENDED, _KEPT_MENDED) if self._cause else (_LOST, _KEPT)
        gone = detail.known and detail.kept < kept and (detail.lost >= enough or detail.soft >= max(enough, _SOFT))
        cause = _cause_of(detail) if gone else Picture(0)
        if not cause:
            self._cause, self._soft_since_ns = Picture(0), None
            return Picture(0)
        if cause == Picture.BLURRED:
            self._soft_since_ns = self._soft_since_ns or at_ns
            if at_ns - self._soft_since_ns < _BLURRED_S * NS_PER_S:  # a moment is a lens that focuses, or a gust
                return Picture(0)
        self._cause = cause
        return cause


def _cause_of(detail: DetailFigures) -> Picture:
    if detail.brightness >= _BRIGHT_MEAN and detail.contrast <= _FAINT:
        return Picture.WASHED_OUT
    if detail.alike >= _ALIKE:
        return Picture.BLURRED
    # Detail that is elsewhere in the picture is not lost: the camera was moved.
    return Picture.COVERED if detail.textured <= _TEXTURED_LEFT else Picture(0)
