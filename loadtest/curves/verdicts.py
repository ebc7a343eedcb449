"""Where each curve gives out and what then, said from its points."""

from collections.abc import Sequence

from app.coherence.log.change_log import REACH
from app.coherence.log.lease import LEASE_MAX_MS, LOOK_AHEAD
from app.config import Caches
from loadtest.curves.followers import MISSED
from loadtest.curves.results import Point, extrapolated, rounded

TEN_MILLION = 10_000_000
BUSY_LOOKS = 1000 / (LEASE_MAX_MS * LOOK_AHEAD)
"""Looks a second of a worker under load."""

_MEMORY_GB = 24


def users(points: Sequence[Point]) -> str:
    """Lookups by an index hardly grow; memory is what ends."""
    first, last = points[0], points[-1]
    bytes_each = (last["table_mb"] + last["indexes_mb"]) * 1e6 / last["users"]
    fits = _MEMORY_GB * 1e9 / bytes_each
    return (
        f"From {first['users']:,.0f} to {last['users']:,.0f} users PostgreSQL's processor time for a lookup went "
        f"from {first['postgres_us']:.0f} to {last['postgres_us']:.0f} µs: a search in an index that gets one level "
        f"deeper now and then. A user takes {bytes_each:.0f} bytes with the indexes, so about {fits / 1e6:.0f} "
        f"million users fit into {_MEMORY_GB} GB of memory. Beyond that PostgreSQL's memory gives out first, and a "
        "lookup that no cache answers waits for the disk: give PostgreSQL more memory, or send these reads to "
        "replicas (docs/replicas.md)."
    )


def active(points: Sequence[Point]) -> str:
    """The worker's cache ends first, then memcached."""
    capacity = Caches().user.capacity
    within = [each for each in points if each["active"] <= capacity][-1]
    beyond = [each for each in points if each["active"] > capacity]
    if not beyond:
        return f"Not within {points[-1]['active']:,.0f} active users."
    last = beyond[-1]
    return (
        f"The worker's cache of {capacity:,} users gives out first: with {within['active']:,.0f} active users a "
        f"request costs {within['processor_us']:.0f} µs of the worker's time, with {last['active']:,.0f} it costs "
        f"{last['processor_us']:.0f} µs, as most sessions and users come from memcached, and "
        f"{1 - last['without_postgres']:.1%} of the requests ask PostgreSQL. Nothing becomes stale and nothing "
        "fails. Raise `cache.user.capacity` live while the worker has the memory (3 KiB an entry at most), and "
        "memcached's memory when PostgreSQL is asked more often."
    )


def workers(points: Sequence[Point]) -> str:
    """The cores end first."""
    one, two = points[0], points[-1]
    return (
        f"The cores give out: two workers do {two['logins'] / one['logins']:.2f} times the logins of one (one "
        f"worker's threads already hash on both cores), {two['cached'] / one['cached']:.2f} times its cached reads "
        f"and {two['uncached'] / one['uncached']:.2f} times its reads from memcached, as the load generator and the "
        "servers need the same two cores. Workers share nothing but the log of changes, so more cores or pods are "
        "what then helps; more workers than cores are not."
    )


def followers(points: Sequence[Point]) -> str:
    """memcached's processor, extrapolated to one core."""
    last = points[-1]
    most = last["looks_a_second"] / (last["memcached_core"] * BUSY_LOOKS) if last["memcached_core"] else 0.0
    kept = last["looks_a_second"] / last["wanted_a_second"]
    behind = f" (the simulating processes made {kept:.0%} of the looks that they should)" if kept < 0.95 else ""
    return (
        f"memcached's processor gives out first. {last['workers']:,.0f} workers read {last['reads_a_second']:,.0f} "
        f"times a second and move {last['kb_a_second'] / 1000:,.1f} MB/s{behind}, for which memcached needs "
        f"{last['memcached_core']:.2f} of a core; so one core of memcached serves about {most:,.0f} workers under "
        f"load, each of which looks {BUSY_LOOKS:.0f} times a second. "
        "Then looks take longer and requests wait for them; past memcached's time limit a worker has no lease "
        "and asks PostgreSQL at each request, which is slow but never stale. The log cannot be divided: server 0 "
        f"needs more cores, for its threads. After a stall a worker reads {MISSED:,} missed changes in "
        f"{last['catch_up_p50_ms']:.0f} ms, and all of these workers at once have done so after "
        f"{last['all_caught_up_s']:.1f} s; more than {REACH:,} missed changes cost a worker what it has cached "
        "instead."
    )


def connections(points: Sequence[Point]) -> str:
    """Descriptors and the burst."""
    last = points[-1]
    return (
        f"{last['connections']:,.0f} connections were held without a loss; each takes {last['kb_each']:.1f} kB. When "
        f"all ask at the same moment, the last answers come after {last['all_at_once_p99_ms']:,.0f} ms: a burst "
        "queues for the two workers, and that is what gives out first. The "
        "limit of open files of a process comes next (`ulimit -n`, one for each connection): then new connections "
        "wait in the kernel's queue until others close. More pods divide both."
    )


def postings(points: Sequence[Point]) -> str:
    """Facets cost most: they count the matches, or a sample of them."""
    last, further = points[-1], with_ten_million(points)[-1]
    kind = "two words with 6 facets"
    return (
        f"With {last['postings']:,.0f} postings two words take {last['two words, p50']:.1f} ms of PostgreSQL's time, "
        f"and with six facets {last[kind + ', p50']:.1f} ms (p99 {last[kind + ', p99']:.0f} ms). Facets count every "
        "match up to some 4,000, and a sample of more, so that they grow more slowly than the catalogue: at "
        f"10,000,000 postings, extrapolated and not measured, {further[kind + ', p50']:.0f} ms, and two words "
        f"{further['two words, p50']:.1f} ms. Facets give out first, then broad filters; PostgreSQL's processor is "
        "what is used up, and a search that reaches the time limit of 5 s is answered with 503. Then send searches "
        "to replicas, or ask for fewer facets."
    )


def with_ten_million(points: Sequence[Point]) -> list[Point]:
    """With a last point that is extrapolated from the last two, without the p99, which says too little for that."""
    medians = [name for name in points[-1] if name.endswith(", p50")]
    further = {name: extrapolated([(each["postings"], each[name]) for each in points], TEN_MILLION) for name in medians}
    return [*points, rounded({"postings": TEN_MILLION} | further)]
