from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from correlator.casebook.contract import Casebook
from correlator.casebook.sql import open_casebook

_numbers = count()


def _fresh_database(postgres_url: str) -> str:
    """A new, empty database on the server; its address."""
    url, name = make_url(postgres_url).set(drivername="postgresql+psycopg"), f"casebook_{next(_numbers)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def casebook_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty casebook of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'casebook.db'}"
    return _fresh_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
def open_another(casebook_url: str) -> Iterator[Callable[[], Casebook]]:
    """Opens the casebook as one more process would."""
    opened: list[Casebook] = []

    def opening() -> Casebook:
        opened.append(open_casebook(casebook_url))
        return opened[-1]

    yield opening
    for casebook in opened:
        casebook.close()


@pytest.fixture
def casebook(open_another: Callable[[], Casebook]) -> Casebook:
    return open_another()
