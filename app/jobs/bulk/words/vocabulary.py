"""Remembers the lexemes of words from one transaction to the next, since most words of a text are frequent ones."""

from collections.abc import Collection

from app.infra.postgres.database import Transaction
from app.jobs.query.store import stems_of
from app.jobs.texts.words import TextLexemes

WORDS_MAX = 30_000
"""Words that are remembered, in some 10 MB; then it begins anew."""


class Vocabulary:
    """Lexemes by language and word; several threads may use it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, tuple[str, ...]], TextLexemes]] = {}

    def of(self, transaction: Transaction, lang: str, words: Collection[str]) -> TextLexemes:
        """The lexemes of at least these words."""
        if sum(len(known) for _, known in list(self._known.values())) > WORDS_MAX:
            self._known = {}
        new: dict[str, tuple[str, ...]] = {}
        stems, known = self._known.setdefault(lang, (new, TextLexemes(new)))
        missing = sorted(set(words).difference(known))
        stems |= stems_of(transaction, lang, missing)
        for word in missing:
            known[word]
        return known
