"""The fields of one registry record: each is read or its fault is written down, so that all faults come at once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ingest.errors import SettingsError
from ingest.registry.text import RegistryRecord, RegistryText

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# Words of a column that would describe a person, or hold a secret. Neither belongs in a registry.
PERSON_WORDS = frozenset(
    [
        "face",
        "faces",
        "facial",
        "plate",
        "plates",
        "anpr",
        "alpr",
        "gender",
        "sex",
        "age",
        "ages",
        "person",
        "persons",
        "identity",
        "identities",
        "biometric",
        "biometrics",
        "embedding",
        "embeddings",
        "race",
        "ethnicity",
        "religion",
        "nationality",
        "birth",
        "birthday",
        "dob",
        "passport",
        "surname",
        "firstname",
        "lastname",
        "forename",
        "suspect",
        "suspects",
        "watchlist",
        "blacklist",
        "gait",
        "iris",
        "fingerprint",
        "reid",
    ]
)
SECRET_WORDS = frozenset(["password", "passwd", "pwd", "secret", "token"])
_NOTHING = ("", "null", "none")
_YES, _NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@dataclass
class Fields:
    """Reads one record; what it returns for a faulty field only fills the place until the faults are raised."""

    record: RegistryRecord
    faults: list[SettingsError] = field(default_factory=list)

    def fault(self, column: str, expected: str, got: str, mend: str) -> None:
        self.faults.append(SettingsError(f"{self.record.at}: {column}", expected=expected, got=got, mend=mend))

    def given(self, column: str) -> Any | None:
        """The value, or None where there is none (also QGIS' NULL)."""
        value = self.record.values.get(column)
        return None if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING) else value

    def text(self, column: str, *, required: bool = False, length_max: int = 200) -> str | None:
        value = self.given(column)
        if value is None:
            if required:
                self.fault(column, "a text", "nothing", "Fill it in.")
            return None
        text = str(value).strip()
        if len(text) > length_max or not text.isprintable():
            self.fault(column, f"at most {length_max} printable characters", f"{len(text)} characters", "Shorten it.")
        return text

    def identifier(self, column: str) -> str:
        text = self.text(column, required=True)
        if text is not None and not ID.fullmatch(text):
            self.fault(
                column,
                "1 to 64 ASCII letters, digits, dots, hyphens or underscores",
                quoted(text),
                "Ids are for keys; put the name that people read into `name`.",
            )
        return text or ""

    def number(self, column: str, low: float, high: float, default: float | None = None) -> float | None:
        """A number in [low, high]; without a default it is required."""
        value = self.given(column)
        if value is None:
            if default is None:
                self.fault(column, "a number", "nothing", "Fill it in.")
            return default
        number = self._parse(value)
        if number is None:
            mend = "Write a point for the decimals." if "," in str(value) else "Write digits only, without a unit."
            self.fault(column, "a number", quoted(value), mend)
        elif not low <= number <= high:
            self.fault(column, f"a number from {low:.9g} to {high:.9g}", f"{number:.9g}", "Mend the number.")
        return number

    def lon_lat(self) -> tuple[float, float]:
        """Columns lon and lat."""
        pair = self._parse(self.given("lon")), self._parse(self.given("lat"))
        if None not in pair:
            return self.position("lon, lat", pair[0], pair[1])
        return self.number("lon", -180, 180) or 0.0, self.number("lat", -90, 90) or 0.0

    def position(self, column: str, lon: Any, lat: Any) -> tuple[float, float]:
        """A place in degrees; tells when lon and lat are surely exchanged."""
        east, north = (value if _is_number(value) else None for value in (lon, lat))
        if east is None or north is None:
            self.fault(column, "lon and lat in degrees", quoted([lon, lat]), "Draw it again.")
            return 0.0, 0.0
        if not (-180.0 <= east <= 180.0 and -90.0 <= north <= 90.0):
            swapped = abs(east) <= 90.0 < abs(north) <= 180.0
            mend = "lon and lat look exchanged; lon comes first." if swapped else "Export in degrees, EPSG:4326."
            self.fault(column, "lon within 180 and lat within 90 degrees", f"lon {east:.9g}, lat {north:.9g}", mend)
        return float(east), float(north)

    def choice(self, column: str, choices: tuple[str, ...]) -> str:
        value = self.text(column)
        plain = re.sub(r"[\s-]+", "_", (value or "").lower())
        if plain not in choices:
            got = "nothing" if value is None else quoted(value)
            self.fault(column, "one of " + ", ".join(choices), got, "Choose one of them.")
        return plain

    def flag(self, column: str, default: bool) -> bool:
        value = self.given(column)
        if value is None:
            return default
        plain = str(value).strip().lower()
        if plain not in _YES + _NO:
            self.fault(column, "true or false", quoted(value), "Write true or false.")
        return plain in _YES

    def items(self, column: str) -> list[Any]:
        """A list: JSON, JSON in a text (as QGIS writes it), or `a;b`."""
        value = self.given(column)
        if value is None:
            return []
        if isinstance(value, str):
            if not value.lstrip().startswith(("[", "{")):
                return [item.strip() for item in re.split(r"[;,]", value) if item.strip()]
            try:
                value = json.loads(value)
            except (json.JSONDecodeError, RecursionError) as error:
                self.fault(column, "a list", str(error), "Write a;b or a JSON list.")
                return []
        if not isinstance(value, list):
            self.fault(column, "a list", quoted(value), "Write a;b or a JSON list.")
            return []
        return value

    def _parse(self, value: Any) -> float | None:
        if _is_number(value):
            return float(value)
        if not isinstance(value, str):
            return None
        if self.record.decimal_comma and value.count(",") == 1 and "." not in value:
            value = value.replace(",", ".")
        # Stricter than float(): no "1_000", no "nan".
        return (
            float(value) if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", value, re.ASCII) else None
        )


def check_columns(
    text: RegistryText, known: tuple[str, ...], required: tuple[str, ...]
) -> tuple[list[SettingsError], list[str]]:
    """Faults (a required column is missing, one would describe a person or hold a secret) and warnings (others)."""
    faults, warnings = list[SettingsError](), list[str]()
    came = ", ".join(text.columns) or "none"
    faults += [
        SettingsError(
            f"{text.file}: {column}", expected="a column of this name", got=came, mend=f"Add the column {column}."
        )
        for column in required
        if column not in text.columns
    ]
    for column in text.columns:
        if column in known:
            continue
        words = set(re.split(r"[^a-z]+", column)) | {re.sub(r"[^a-z]+", "", column)}
        person = words & PERSON_WORDS or ("name" in words and words & {"first", "last", "full", "given", "family"})
        if person or words & SECRET_WORDS:
            expected, mend = (
                ("no column about persons", "Remove it; a registry speaks of places and cameras only.")
                if person
                else ("no secret", "Remove it; name a file or a variable in password_file or password_env.")
            )
            faults.append(SettingsError(f"{text.file}: {column}", expected=expected, got="one", mend=mend))
        else:
            warnings.append(f"{text.file}: {column}: unknown column, passed over. Known are {', '.join(known)}.")
    return faults, warnings


def quoted(value: Any) -> str:
    """What came, short enough for one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f'"{text[:60]}..."' if len(text) > 60 else f'"{text}"'


def _is_number(value: Any) -> bool:
    # Comparing, not converting: a whole number of JSON may be longer than any float.
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300
