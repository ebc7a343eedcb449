"""Databases as earlier versions left them."""

import psycopg2
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from app.infra.postgres.schema import MIGRATIONS


def upgrade_to(url: str, revision: str) -> None:
    """Apply the migrations up to `revision` alone."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(url), poolclass=NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
