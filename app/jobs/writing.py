"""Stores a posting and updates its cluster, in a transaction that holds the cluster's lock."""

from collections.abc import Sequence

from app.infra.postgres.database import Transaction
from app.jobs import store
from app.jobs.codes.salaries import Rates
from app.jobs.indexing import Indexed, fingerprint, indexed, texts_of
from app.jobs.query.store import stems_of
from app.jobs.schemas import Place, Posting
from app.jobs.store import Cluster
from app.jobs.texts.words import TextLexemes


def write(
    transaction: Transaction, before: Posting, after: Posting, cluster: Cluster | None, rates: Rates
) -> None:  # fmt: skip
    """Replace `before` by `after`, and choose again which member of the cluster searches show."""
    content = (before.title, before.description, before.detail) != (after.title, after.description, after.detail)
    own = fingerprint(after.title, after.description, after.detail)
    strayed = cluster is not None and cluster.fingerprint != own
    store.change(transaction, after, cluster.id if cluster else None, strayed=strayed, content=content)
    if cluster is not None:
        settle(transaction, cluster, after, strayed, rates)


def settle(transaction: Transaction, cluster: Cluster, changed: Posting, strayed: bool, rates: Rates) -> None:
    """Show the open member that stays open longest, under the places of all members that are alike; hide the others."""
    alike = [each for each in store.members(transaction, cluster.id) if not each.strayed]
    hidden = [each.id for each in alike[1:]]
    if changed.state == "open" and strayed:
        written = index(transaction, changed, changed.detail.places, rates)
        store.show(transaction, changed.id, 0, written)
    store.hide(transaction, hidden)
    if alike:
        leader = changed if alike[0].id == changed.id else store.find_in(transaction, alike[0].id)
        places = store.places_of(transaction, [leader.id, *hidden])
        store.show(transaction, leader.id, len(hidden), index(transaction, leader, places, rates))


def index(transaction: Transaction, posting: Posting, places: Sequence[Place], rates: Rates) -> Indexed:
    """The search columns of a posting for these places."""
    texts = texts_of(posting.title, posting.description, posting.detail, places)
    stems = stems_of(transaction, texts.language, texts.words)
    opened = posting.published_at or posting.first_seen_at
    unnumbered = indexed(posting.company_id, texts, posting.detail, places, opened)
    return unnumbered.complete(TextLexemes(stems), store.numbers_of(transaction, unnumbered.named), rates)
