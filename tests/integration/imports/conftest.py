"""A company that imports, on a database of its own."""

from collections.abc import Iterator

import pytest

from tests.conftest import LocalDatabase
from tests.integration.imports.office import Office, office_at


@pytest.fixture
def office(database: LocalDatabase) -> Iterator[Office]:
    with office_at(database.direct_url) as made:
        yield made
