"""Facts are read on replicas, and only where the rule proves them."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.companies.schemas import CompanyPatch
from app.config import DatabaseTuning
from app.errors import NotFound
from app.jobs.schemas import JobPatch, NewJob, Place
from app.local.memcached import Memcached
from app.users.schemas import Profile
from tests.integration.coherence.workers import eventually
from tests.integration.replicas.servers import Site, Worker, cached_nothing, new_company, new_user, nobody
from tests.sql import ask

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jobfinder'"


@pytest.fixture(autouse=True)
def following(servers: Site, workers: list[Worker], cache: Memcached) -> Iterator[None]:
    """Both replicas follow, and both workers know it."""
    for each in (servers.first, servers.second):
        each.start()
        each.catch_up()
    for worker in workers:
        eventually(lambda worker=worker: worker.sees(2))  # type: ignore[misc]
    yield
    for each in (servers.first, servers.second):
        each.start()
        each.resume_replay()


def lag(servers: Site) -> None:
    for each in (servers.first, servers.second):
        each.catch_up()
        each.pause_replay()


def test_cold_reads_of_unchanged_data_cost_the_primary_nothing(servers: Site, workers: list[Worker]) -> None:
    first, _ = workers
    users = [new_user(servers.url) for _ in range(20)]
    lag(servers)
    for user in users[:10]:
        first.users.profile(user)
    assert len(first.users.profiles(users)) == 20
    assert first.counted("replica_reads") == 11
    assert first.counted("replica_refused") == 0


def test_changed_profile_is_read_from_the_primary(servers: Site, workers: list[Worker]) -> None:
    first, second = workers
    user, other = new_user(servers.url), new_user(servers.url)
    lag(servers)
    changed = first.users.change(user, Profile(name="Grace"), None)
    assert second.users.profile(user).user == changed.user
    assert second.counted("replica_refused") == 1
    cached_nothing(second)
    assert second.users.profiles([user, other])[user].user.name == "Grace"
    second.users.profile(other)
    assert second.counted("replica_reads") == 1


def test_what_a_replica_has_replayed_is_read_there_after_a_change(servers: Site, workers: list[Worker]) -> None:
    first, second = workers
    user = new_user(servers.url)
    first.users.change(user, Profile(name="Grace"), None)
    for each in (servers.first, servers.second):
        each.catch_up()
    assert second.users.profile(user).user.name == "Grace"
    assert second.counted("replica_reads") == 1


def test_new_account_is_found_that_no_replica_has(servers: Site, workers: list[Worker]) -> None:
    _, second = workers
    lag(servers)
    user = new_user(servers.url)
    assert second.users.profile(user).user.name == "Ada"
    assert set(second.users.profiles([user])) == {user}
    with pytest.raises(NotFound):
        second.users.profile(user + 1000)


def test_searches_and_postings_follow_changes_at_once(servers: Site, workers: list[Worker]) -> None:
    first, second = workers
    owner = new_user(servers.url)
    company = new_company(servers.url, owner)
    lag(servers)

    def found() -> list[int]:
        page = second.board.searches.search({"company": [str(company)]}, "")
        return [int(each) for each in ids_in(page.body)]

    assert found() == []
    made, _ = first.board.jobs.create(company, owner, NewJob("Nurse", "<p>You care.</p>", places=(Place("DE"),)))
    assert found() == [made.posting.id]
    first.companies.change(company, owner, CompanyPatch(name="Umbrella"), None)
    assert second.board.jobs.job(made.posting.id, nobody)[1].brief.name == "Umbrella"
    first.board.jobs.change(made.posting.id, owner, JobPatch(state="closed"), None)
    assert found() == []


def test_search_is_answered_by_replicas(servers: Site, workers: list[Worker]) -> None:
    _, second = workers
    before = second.counted("replica_reads")
    second.board.searches.search({"q": ["nurse"], "total": ["true"], "facets": ["city"]}, "")
    assert second.counted("replica_reads") > before


def test_replicas_that_are_away_cost_only_capacity(servers: Site, workers: list[Worker]) -> None:
    first, _ = workers
    users = [new_user(servers.url) for _ in range(4)]
    servers.first.kill()
    servers.second.kill()
    assert [first.users.profile(user).user.id for user in users] == users
    eventually(lambda: first.sees(0))
    first.users.profiles([*users, users[0] + 1000])
    servers.first.start()
    eventually(lambda: first.uses(1))


def test_more_reads_than_a_replica_has_connections_go_to_the_primary(servers: Site, workers: list[Worker]) -> None:
    """Nobody waits for one of its connections longer than 50 ms, and it stays in use."""
    first, _ = workers
    users = [new_user(servers.url) for _ in range(40)]
    for each in (servers.first, servers.second):
        each.catch_up()
    first.replicas.apply(DatabaseTuning(pool_min=1, pool_max=1))
    before = answered(first)
    with ThreadPoolExecutor(len(users)) as readers:
        assert list(readers.map(lambda user: first.users.profile(user).user.id, users)) == users
    assert answered(first) == before + len(users)
    eventually(lambda: first.sees(2))


def answered(worker: Worker) -> int:
    """Reads for which a replica was asked, whether it answered or not."""
    return sum(worker.counted(name) for name in ("replica_reads", "replica_refused", "replica_failures"))


def test_ended_session_on_a_replica_is_no_error(servers: Site, workers: list[Worker]) -> None:
    first, _ = workers
    users = [new_user(servers.url) for _ in range(4)]
    for each in (servers.first, servers.second):
        each.catch_up()
    first.users.profiles(users[:2])
    for each in (servers.first, servers.second):
        each.execute(TERMINATE)
    assert [first.users.profile(user).user.id for user in users[2:]] == users[2:]


def test_lost_log_costs_no_freshness(servers: Site, workers: list[Worker], cache: Memcached) -> None:
    first, second = workers
    user = new_user(servers.url)
    second.users.profile(user)
    lag(servers)
    cache.restart()
    eventually(first.coherence.leased)
    eventually(second.coherence.leased)
    first.users.change(user, Profile(name="Grace"), None)
    assert second.users.profile(user).user.name == "Grace"
    for worker in workers:
        worker.watch()
    cached_nothing(second)
    assert second.users.profile(user).user.name == "Grace"


def test_nothing_is_read_on_a_replica_without_replicas_in_the_settings(servers: Site, cache: Memcached) -> None:
    worker = Worker(servers.url, (), cache.address)
    try:
        user = new_user(servers.url)
        assert worker.users.change(user, Profile(name="Grace"), None).user.name == "Grace"
        log = worker.coherence.agreement.log
        assert log is not None
        last = log.last()
        assert last is not None
        assert log.places(last - 1, last) == {}
        assert worker.coherence.replicas is None
    finally:
        worker.close()


def test_line_is_written_by_whoever_asks(servers: Site, workers: list[Worker]) -> None:
    ask(servers.primary.direct_url, "UPDATE wal_line SET line = 'another:1'")
    first, _ = workers
    first.watch()
    own = ask(servers.primary.direct_url, "SELECT line FROM wal_line")[0][0]
    system = servers.primary.execute("SELECT system_identifier FROM pg_control_system()")
    assert own == f"{system}:00000001"


def ids_in(body: bytes) -> list[int]:
    return [item["id"] for item in json.loads(body)["items"]]
