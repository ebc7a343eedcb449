"""The table that the database handler reads."""

from typing import Any

import psycopg2

PEOPLE = 10_000

CREATE_PEOPLE = """
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, headline text NOT NULL);
INSERT INTO people SELECT number, 'Ada Byron ' || number, 'Backend engineer' FROM generate_series(1, %s) AS number;
"""
FIND_PERSON = "SELECT id, name, headline FROM people WHERE id = %s"


def create_people(database_url: str) -> None:
    """Create the table and fill it."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(CREATE_PEOPLE, (PEOPLE,))


def find_person(connection: Any, person_id: int) -> tuple[int, str, str]:
    """One query on an autocommit connection."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_PERSON, (person_id,))
        found: tuple[int, str, str] = cursor.fetchone()
        return found
