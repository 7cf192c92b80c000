"""What can go wrong with a camera's picture, rendered over a street, each in variations by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.health_street import F32, HEIGHT, WIDTH, Static, Street, grey_of
from ingest.schema.tick import U8

PICTURES = ("frozen", "dark", "covered", "blurred", "moved", "washed_out", "colour_lost", "unsteady")


@dataclass(frozen=True, slots=True, eq=False)
class Faulty:
    """A street whose camera has a fault from a second on."""

    street: Street
    fault: str
    seed: int
    since_s: float
    last: U8  # the picture before

    def at(self, at_s: float) -> U8:
        return _FAULTS[self.fault](self, at_s, np.random.default_rng((self.seed, len(self.fault))))


def _frozen(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    return here.last


def _dark(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    """A cap on the lens, an iris that has shut, or lamps that have failed by night."""
    level = chance.uniform(0.0, 0.0035)
    light = here.street.radiance(at_s)
    return here.street.picture(light / light.mean() * 0.17 * level + 0.0004, at_s, gain=1.0)


def _covered(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    """A hand, a bag, paint, cloth or cardboard so close that it is out of focus; it comes within two seconds."""
    share = chance.uniform(0.75, 1.0)
    arrival = float(np.clip((at_s - here.since_s + 0.4) / chance.uniform(0.3, 2.0), 0.0, 1.0))
    light = here.street.radiance(at_s)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    angle, soft = chance.uniform(0, 2 * np.pi), chance.uniform(8, 26)
    along = ((x / WIDTH - 0.5) * np.cos(angle) + (y / HEIGHT - 0.5) * np.sin(angle)) / (
        abs(np.cos(angle)) + abs(np.sin(angle))
    ) + 0.5
    edge = share * arrival + (0.15 if share > 0.93 else 0.0) * arrival
    cover = 1.0 / (1.0 + np.exp(np.clip((along - edge) * WIDTH / soft, -50, 50)))
    colour = chance.uniform(0.03, 0.8) * chance.uniform(0.6, 1.0, 3) * float(light.mean()) * 1.8
    blotch = cv2.resize(
        chance.uniform(0.75, 1.25, (3, 5)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    shade = (blotch * (1.0 + 0.02 * np.sin(at_s)))[..., None] * colour.astype(np.float32)
    leak = chance.uniform(0.0, 0.08)
    behind = cv2.GaussianBlur(light, (0, 0), 9.0)
    cloth = shade * (1.0 - leak) + behind * leak
    return here.street.picture((light * (1 - cover[..., None]) + cloth * cover[..., None]).astype(np.float32), at_s)


def _blurred(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    """Out of focus: the lens was touched, or has steamed up."""
    sigma = chance.uniform(2.2, 7.0)
    light = np.asarray(cv2.GaussianBlur(here.street.radiance(at_s), (0, 0), sigma), np.float32)
    return here.street.picture(light, at_s)


def _moved(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    """Knocked aside by 4 to 30 % of the picture, turned about its axis, or turned away to another street."""
    return here.street.picture(here.street.radiance(at_s, _turned(here.street, here.seed)), at_s)


def _turned(street: Street, seed: int) -> Static:
    known = _TURNED.get((street.seed, seed))
    if known is None:
        chance = np.random.default_rng((seed, 5))
        if chance.random() < 0.15:
            known = Street(street.seed + 5_000_000).static
        else:
            way, far = chance.uniform(0, 2 * np.pi), chance.uniform(0.04, 0.3) * WIDTH
            turn = chance.uniform(-12, 12) if chance.random() < 0.4 else 0.0
            known = street.seen(far * np.cos(way), far * np.sin(way), turn, chance.uniform(0.93, 1.08))
        _TURNED.clear()
        _TURNED[street.seed, seed] = known
    return known


_TURNED: dict[tuple[int, int], Static] = {}


def _washed_out(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    """An exposure that has failed, or a veil of light over all."""
    light = here.street.radiance(at_s)
    light = light / light.mean() * 0.17
    if chance.random() < 0.5:
        return here.street.picture(light, at_s, gain=chance.uniform(9.0, 25.0))
    veil = chance.uniform(0.5, 0.9)
    return here.street.picture(veil + light * chance.uniform(0.02, 0.12), at_s, gain=1.0)


def _colour_lost(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    return here.street.compressed(grey_of(here.street.at(at_s)))


def _unsteady(here: Faulty, at_s: float, chance: np.random.Generator) -> U8:
    """Interference in bands, a sensor full of noise, or a mast that shakes."""
    kind, now = chance.integers(0, 3), np.random.default_rng((here.seed, int(at_s * 10)))
    if kind == 0:
        rolled = np.roll(here.street.at(at_s), int(now.integers(20, 160)), axis=0)
        bands = now.normal(0.0, 55.0, (HEIGHT, 1, 1)) + now.normal(0.0, 30.0, (HEIGHT, WIDTH, 1))
        return here.street.compressed(np.clip(rolled + bands, 0, 255).astype(np.uint8))
    if kind == 1:
        snow = now.normal(0.0, chance.uniform(60.0, 110.0), (HEIGHT, WIDTH, 1))
        return here.street.compressed(np.clip(here.street.at(at_s) + snow, 0, 255).astype(np.uint8))
    far = now.uniform(10, 45, 2) * now.choice([-1, 1], 2)
    light: F32 = here.street.radiance(at_s, here.street.seen(float(far[0]), float(far[1])))
    return here.street.picture(np.asarray(cv2.blur(light, (3, 3)), np.float32), at_s)


_FAULTS: dict[str, Callable[[Faulty, float, np.random.Generator], U8]] = {
    "frozen": _frozen,
    "dark": _dark,
    "covered": _covered,
    "blurred": _blurred,
    "moved": _moved,
    "washed_out": _washed_out,
    "colour_lost": _colour_lost,
    "unsteady": _unsteady,
}
