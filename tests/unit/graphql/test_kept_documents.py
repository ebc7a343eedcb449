"""Documents that are kept hold a bounded amount of memory, whatever a client puts into them."""

import gc
import tracemalloc
from collections.abc import Callable
from unittest.mock import MagicMock

import pytest
from graphql import Lexer, Token

from app.graphql import bounds, documents
from app.graphql.bounds import CHARACTERS_MAX, TOKENS_MAX, TooLarge, read_document
from app.graphql.documents import Documents
from app.graphql.loading import Services
from app.graphql.service import GraphQLService

_WIDE = "\U0001f600" * 16_000
_REPEATED = "fragment f on Query { search(first: 1) { nodes { id title places { city } company { id name } } } }"
DOCUMENTS: dict[str, Callable[[int], str]] = {
    "short": lambda number: f"{{a{number}: __typename}}",
    "comments": lambda number: f"{{a{number}: __typename}}" + "#\n" * (TOKENS_MAX - 10),
    "a long comment": lambda number: f"{{a{number}: __typename}}#" + _WIDE,
    "a long string": lambda number: f'{{a{number}: job(id: "{"x" * 16_000}") {{id}}}}',
    "a long string of wide characters": lambda number: f'{{a{number}: job(id: """{_WIDE}""") {{id}}}}',
    "a long list": lambda number: f"{{a{number}: users(ids: [{'1 ' * 900}]) {{id}}}}",
    "a repeated fragment": lambda number: _REPEATED + " ".join(f"query q{number}x{n} {{...f}}" for n in range(49)),
    "operations": lambda number: " ".join(f"query q{number}x{n} {{me {{id name headline}}}}" for n in range(50)),
}


@pytest.fixture(scope="module")
def service() -> GraphQLService:
    return GraphQLService(Services(*[MagicMock() for _ in range(5)]), MagicMock(), introspection=False)


@pytest.fixture
def kept(service: GraphQLService) -> Documents:
    return Documents(service._schema, introspection=False)


@pytest.mark.parametrize("text", ["{__typename}" + "#\n" * 8_180, "#\n" * (TOKENS_MAX + 1) + "{__typename}"])
def test_comments_count_as_tokens(text: str) -> None:
    assert len(text) <= CHARACTERS_MAX
    with pytest.raises(TooLarge):
        read_document(text)


def test_counting_stops_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Counting(Lexer):
        def read_next_token(self, start: int) -> Token:
            read.append(start)
            return super().read_next_token(start)

    monkeypatch.setattr(bounds, "Lexer", Counting)
    with pytest.raises(TooLarge):
        read_document("{__typename}" + "#\n" * 8_180)
    assert len(read) == TOKENS_MAX + 1


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_holds_no_more_than_is_estimated(kept: Documents, name: str) -> None:
    several = 300_000 // kept.find(DOCUMENTS[name](0), None).size + 1
    tracemalloc.start()
    estimated = sum(kept.find(DOCUMENTS[name](number), None).size for number in range(1, several + 1))
    assert len(kept) == several + 1
    before = _traced()
    kept._kept.clear()
    held = before - _traced()
    tracemalloc.stop()
    assert estimated / 5 <= held <= estimated


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("name", ["short", "comments", "a long string of wide characters"])
def test_what_is_kept_is_bounded_by_its_size(kept: Documents, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = kept.find(DOCUMENTS[name](0), None).size
    monkeypatch.setattr(documents, "KEPT_BYTES", 3 * size)
    for number in range(1, 6):
        kept.find(DOCUMENTS[name](number), None)
    assert len(kept) == 3
