"""
`crowd.oscillation`: a dense crowd sways or circles as one body.

    red       sway   amplitude >= 0.12 m and at least half of the motion's power in 1/30 to 1/8 Hz, at >= 2.5 persons/m2
    critical  sway   the same at >= 3.5 persons/m2

The mean velocity of a zone, 1 a second over the last 60 s, is a complex number z = v_east + i v_north; its spectrum
(Hann window) gives the power P in the band, the peak f, the amplitude a = sqrt(P) / (2 pi f) in metres, and the
chirality (P+ - P-) / (P+ + P-), which is near +1 or -1 for an orbit and near 0 for a sway to and fro. The mean over
N persons divides the noise of places by the root of N, so boxes suffice; crowd pressure does not see a common motion.
The density is that of the calibrated recall: set it from hand counts, since a dense crowd hides most of its people.

Source: after Gu et al., Emergence of collective oscillations in massive human crowds, Nature 638 (2025) 112; amplitude
and shares from labelled scenarios (docs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.crowd.motion.zone_motion import READS, Motion
from detectors.crowd.rules.floor import PERSONS_DEFAULT, PERSONS_FLOOR, PersonsMin
from detectors.crowd.rules.zone_rule import Step, Verdict, ZoneDetector
from detectors.detector import Moment
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.schema.finding import Level
from ingest.schema.tick import F32

Complexes = npt.NDArray[np.complex128]

WINDOW_S = 60  # samples, 1 a second
SLOWEST_HZ, FASTEST_HZ = 1.0 / 30.0, 1.0 / 8.0
RECORDED_SHARE = 0.5  # of the density at which it counts: from there on the past is kept
KNOWN_MIN = 0.6  # share of the samples of a window

Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0)]
Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class OscillationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    persons_min: PersonsMin = PERSONS_DEFAULT  # whose velocity is known; not below 15
    amplitude_m: Positive = 0.12  # of the common motion
    power_share: Share = 0.5  # of the power of the motion that is in the band
    drift_m_s_max: Positive = 0.15  # mean velocity of the minute; a crowd that goes somewhere does not sway in place
    red_per_m2: Positive = 2.5  # persons/m2
    critical_per_m2: Positive = 3.5  # persons/m2
    hold_s: Seconds = 2.0  # how long it must last, beside the minute that it is looked for in
    off_share: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.8  # of amplitude and density, below which it is over
    release_s: Seconds = 10.0  # readings must be below the second threshold for so long
    gap_s: Seconds = 3.0  # readings may drop below the threshold for so long


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: OscillationSettings
    persons_min: float


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    velocity_m_s: F32  # (Z, WINDOW_S, 2) at each second, by the second modulo WINDOW_S; NaN where not known
    second: Ints  # (Z,) the newest second that is in it; 0 before the first


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """K zones."""

    amplitude_m: Floats  # (K,)
    power_share: Floats  # (K,)
    chirality: Floats  # (K,)
    period_s: Floats  # (K,)
    drift_m_s: Floats  # (K,) size of the mean velocity


class Oscillation:
    name = "crowd.oscillation"
    version = 1
    reads = READS
    settings = OscillationSettings
    unit = "m"

    def steps(self, settings: OscillationSettings) -> Sequence[Step]:
        return Step("sway", Level.RED, settings.hold_s), Step("dense_sway", Level.CRITICAL, settings.hold_s)

    def release_s(self, settings: OscillationSettings) -> tuple[float, float]:
        return settings.release_s, settings.gap_s

    def prepare(self, settings: OscillationSettings, district: DistrictView) -> Prepared:
        return Prepared(settings, float(max(settings.persons_min, PERSONS_FLOOR)))

    def remember(self, district: DistrictView) -> Memory:
        zones = len(district.zones)
        return Memory(np.full((zones, WINDOW_S, 2), np.nan, np.float32), np.zeros(zones, np.int64))

    def judge(self, own: Prepared, memory: Memory, moment: Moment, seen: Motion) -> tuple[Memory, Verdict]:
        settings, zones = own.settings, len(memory.second)
        per_m2 = np.fmax(moment.occupancy.per_m2, seen.per_m2)
        second = moment.at_ns // 1_000_000_000
        with np.errstate(invalid="ignore"):
            dense = seen.known & (per_m2 >= RECORDED_SHARE * settings.red_per_m2) & (seen.timed >= own.persons_min / 2)
        now = _recorded(memory, seen, dense, second)
        read = np.flatnonzero((now.second == second) & (memory.second != second))
        found = spectrum(np.roll(now.velocity_m_s[read].astype(np.float64), -(second % WINDOW_S) - 1, axis=1))
        whole = {each.name: np.full(zones, np.nan) for each in fields(Spectrum)}
        for name, column in whole.items():
            column[read] = getattr(found, name)
        with np.errstate(invalid="ignore"):
            sways = (whole["amplitude_m"] >= settings.amplitude_m) & (whole["power_share"] >= settings.power_share)
            sways &= (seen.timed >= own.persons_min) & (whole["drift_m_s"] <= settings.drift_m_s_max)
            still = whole["amplitude_m"] >= settings.off_share * settings.amplitude_m
            levels = np.array([settings.red_per_m2, settings.critical_per_m2])
            over = sways[:, None] & (per_m2[:, None] >= levels)
            under = ~(still[:, None] & (per_m2[:, None] >= settings.off_share * levels))
        with np.errstate(invalid="ignore", divide="ignore"):
            # Noise of the mean velocity, as an amplitude at the period found.
            noise_m = seen.velocity_noise_m_s / np.sqrt(seen.timed) * whole["period_s"] / (2.0 * np.pi)
            noise_m *= np.sqrt(2.0 * 6.0 / WINDOW_S)  # its part that falls on the peak: some six of the window's bins
        # A zone that is no longer dense is looked at, and is under.
        thinned = (memory.second != 0) & (now.second == 0) & seen.known
        observed = np.zeros(zones, np.bool_)
        observed[read] = np.isfinite(found.amplitude_m)
        return now, Verdict(
            observed=observed | thinned | (seen.sampled & seen.known & (now.second == 0)),
            over=over,
            under=under,
            value=whole["amplitude_m"],
            low=np.maximum(whole["amplitude_m"] - 1.96 * noise_m, 0.0),
            high=whole["amplitude_m"] + 1.96 * noise_m,
            degraded=np.zeros(zones, np.bool_),
            detail={
                "power_share": whole["power_share"],
                "chirality": whole["chirality"],
                "period_s": whole["period_s"],
                "drift_m_s": whole["drift_m_s"],
                "per_m2": per_m2,
                "persons_timed": seen.timed,
                "velocity_noise_m_s": seen.velocity_noise_m_s,
            },
        )

    def thresholds(self, own: Prepared, zone: int, step: int) -> dict[str, float]:
        settings = own.settings
        return {
            "amplitude_m": settings.amplitude_m,
            "power_share": settings.power_share,
            "per_m2": settings.critical_per_m2 if step else settings.red_per_m2,
            "drift_m_s_max": settings.drift_m_s_max,
            "period_s_min": 1.0 / FASTEST_HZ,
            "period_s_max": 1.0 / SLOWEST_HZ,
            "window_s": float(WINDOW_S),
            "persons_min": own.persons_min,
            "off_share": settings.off_share,
            "release_s": settings.release_s,
        }

    def is_measurable(self, step: int) -> bool:
        return True


def spectrum(velocity_m_s: Floats) -> Spectrum:
    """
    The slow common motion of each zone.

    Args:
        velocity_m_s: (K, WINDOW_S, 2) east and north, 1 a second, oldest first; NaN where not known.

    Returns:
        NaN where fewer than `KNOWN_MIN` of the samples are known.
    """
    z = velocity_m_s[..., 0] + 1j * velocity_m_s[..., 1]
    known = ~np.isnan(z.real)
    count = known.sum(axis=1)
    enough = count >= KNOWN_MIN * WINDOW_S
    mean, trend = _line(z, known)
    window = np.hanning(WINDOW_S + 1)[:-1]
    power = np.abs(np.fft.fft(np.where(known, z - trend, 0.0) * window, axis=1)) ** 2
    # Parseval, with the window's own power and the share of samples that is there.
    power /= WINDOW_S * (window**2).sum() * np.maximum(count / WINDOW_S, 1e-9)[:, None]
    hz = np.fft.fftfreq(WINDOW_S)
    band = (np.abs(hz) >= SLOWEST_HZ - 1e-9) & (np.abs(hz) <= FASTEST_HZ + 1e-9)
    in_band = power[:, band]
    positive, negative = in_band[:, hz[band] > 0].sum(axis=1), in_band[:, hz[band] < 0].sum(axis=1)
    total = power.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        peak_hz = (in_band * np.abs(hz[band])).sum(axis=1) / in_band.sum(axis=1)
        amplitude = np.sqrt(positive + negative) / (2.0 * np.pi * peak_hz)
        nothing = total <= 0.0
        amplitude = np.where(nothing, 0.0, amplitude)
        share = np.where(nothing, 0.0, (positive + negative) / total)
        chirality = (positive - negative) / (positive + negative)
        period = 1.0 / peak_hz
    found = (amplitude, share, chirality, period, np.abs(mean))
    return Spectrum(*(np.where(enough, each, np.nan) for each in found))


def _line(z: Complexes, known: Bools) -> tuple[Complexes, Complexes]:
    """(K,) mean of the known samples of (K, T), and (K, T) the straight line through them: a crowd that slows down."""
    time = np.arange(z.shape[1]) - (z.shape[1] - 1) / 2.0
    weight = known.astype(np.float64)
    count = np.maximum(weight.sum(axis=1), 1.0)
    mean = np.where(known, z, 0.0).sum(axis=1) / count
    middle = (weight * time).sum(axis=1) / count
    beside = weight * (time - middle[:, None])
    spread = np.maximum((beside * (time - middle[:, None])).sum(axis=1), 1e-12)
    slope = (beside * np.where(known, z, 0.0)).sum(axis=1) / spread
    line: Complexes = mean[:, None] + slope[:, None] * (time - middle[:, None])
    return mean, line


def _recorded(memory: Memory, seen: Motion, dense: Bools, second: int) -> Memory:
    """The memory with this second's velocity, where the zone is dense; blank where it has not been for a minute."""
    begins = dense & (memory.second != second)
    over = (memory.second != 0) & (second - memory.second >= WINDOW_S)
    if not begins.any() and not over.any():
        return memory
    velocity, newest = memory.velocity_m_s.copy(), memory.second.copy()
    velocity[over], newest[over] = np.nan, 0
    rows = np.flatnonzero(begins)
    # The seconds that were passed over are not known.
    passed = np.minimum(second - newest[rows], WINDOW_S)
    slot = np.arange(WINDOW_S)
    behind = (second - slot) % WINDOW_S  # how many seconds ago each slot was
    velocity[rows] = np.where((behind[None] < passed[:, None])[..., None], np.nan, velocity[rows])
    velocity[rows, second % WINDOW_S] = seen.velocity_m_s[rows]
    newest[rows] = second
    return Memory(velocity, newest)


detector = ZoneDetector(Oscillation())
