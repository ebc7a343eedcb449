"""Keys of what can change, as used on the log and in the outbox."""


def user_key(user_id: int) -> str:
    """Everything about a user: the profile, and whether sessions of the present epoch live."""
    return f"user:{user_id}"


def company_key(company_id: int) -> str:
    """Everything that is shown of a company; a posting shows it too."""
    return f"company:{company_id}"


def job_key(job_id: int) -> str:
    """Everything about a posting, but what it shows of its company."""
    return f"job:{job_id}"


ANYWHERE_KEY = "catalogue:anywhere"
"""Postings for remote work that do not say from where."""


def catalogue_key(country: str = "") -> str:
    """Which postings are open, and what they can be found by: all, or those in a country and for people there."""
    return f"catalogue:{country}" if country else "catalogue"


def session_key(session_id: int) -> str:
    """One session alone."""
    return f"session:{session_id}"
