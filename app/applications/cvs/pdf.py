"""Recognition of PDF files by their content."""

import re

from app.errors import FieldError, Invalid

BYTES_MAX = 5 * 1_048_576
_BEGIN = re.compile(rb"%PDF-[12]\.[0-9]")
_END, _END_WITHIN = b"%%EOF", 1_024
"""ISO 32000-1, 7.5.2 and 7.5.5; readers look for the marker in the last 1,024 bytes."""


def require_pdf(data: bytes) -> None:
    """Raises Invalid unless `data` begins and ends as a PDF does."""
    if not _BEGIN.match(data) or _END not in data[-_END_WITHIN:]:
        raise Invalid([FieldError("cv", "not_a_pdf", "the body is not a complete PDF file")])
