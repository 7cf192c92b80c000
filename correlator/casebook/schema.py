"""
Which revision the tables of a casebook have, and the way from an older one to ours, by Alembic.

A revision is a file of `migrations/versions`, named by its number: `0002_zone_minutes.py` is revision `0002`. A
casebook from before there were revisions is at `0001`, whatever further tables it has.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

TABLE = "casebook_revision"
FIRST = "0001"
_FOLDER = Path(__file__).parent / "migrations"


@lru_cache
def revisions() -> tuple[str, ...]:
    """All that this program knows, the oldest first."""
    return tuple(sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py")))


def newest() -> str:
    return revisions()[-1]


def revision_of(connection: Connection) -> str | None:
    """The revision of the casebook; None where there is no casebook yet."""
    found = set(inspect(connection).get_table_names())
    if TABLE in found:
        revision = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()
        if revision is not None:
            return str(revision)
    if "casebook" not in found:
        return None
    return FIRST


def migrate(connection: Connection, to: str | None = None) -> None:
    """
    Bring the tables to revision `to`, the newest without it, inside the open transaction. Whoever calls sees to it that
    nobody else does the same just now.
    """
    # Alembic is slow to import, and rarely needed.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, StampStep
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    wanted = to or newest()
    # A casebook of before has the tables of the first revision: it is not made again.
    adopted = TABLE not in inspect(connection).get_table_names() and revision_of(connection) == FIRST

    def steps(revision: tuple[str, ...], _: MigrationContext) -> list[StampStep]:
        if not adopted:
            return script._upgrade_revs(wanted, revision)  # type: ignore[return-value, arg-type]
        return [*script._stamp_revs(FIRST, ()), *script._upgrade_revs(wanted, FIRST)]  # type: ignore[list-item]

    with EnvironmentContext(config, script, fn=steps, destination_rev=wanted) as environment:
        environment.configure(connection=connection, version_table=TABLE, transactional_ddl=True)
        environment.run_migrations()
