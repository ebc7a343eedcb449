"""Codes of countries, currencies and languages from ISO's tables (pycountry)."""

import functools
from pathlib import Path
from typing import Any

import msgspec
import pycountry

EMPLOYMENT_TYPES = (
    "full_time", "part_time", "contract", "temporary", "internship", "volunteer", "per_diem", "other",
)  # fmt: skip
WORKPLACES = ("onsite", "hybrid", "remote")
SENIORITIES = ("internship", "entry", "mid", "senior", "lead", "executive")
CONFIGURATIONS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "da": "danish", "nl": "dutch", "en": "english",
    "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian",
    "id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian", "ne": "nepali", "no": "norwegian",
    "nb": "norwegian", "nn": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "es": "spanish", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""Languages of which PostgreSQL knows stems, each with its name there (all since version 14)."""


@functools.cache
def countries() -> dict[str, str]:
    """Names by code of ISO 3166-1 (two capital letters)."""
    return _table("iso3166-1", "alpha_2")


@functools.cache
def currencies() -> dict[str, str]:
    """Names by code of ISO 4217 (three capital letters)."""
    return _table("iso4217", "alpha_3")


@functools.cache
def languages() -> dict[str, str]:
    """Names by code of ISO 639-1 (two small letters)."""
    return _table("iso639-3", "alpha_2")


def _table(name: str, key: str) -> dict[str, str]:
    """Read from pycountry's files: its objects would hold everything else of each entry in memory, too."""
    text = (Path(pycountry.DATABASE_DIR) / f"{name}.json").read_bytes()
    rows: list[dict[str, Any]] = next(iter(msgspec.json.decode(text).values()))
    return {row[key]: row.get("common_name", row["name"]) for row in rows if key in row}
