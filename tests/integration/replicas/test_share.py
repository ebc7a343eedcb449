"""How many cold reads of unchanged data replicas answer while they lag, and what they spare the primary."""

import logging
import threading

from app.local.memcached import Memcached
from app.users.schemas import Profile
from tests.integration.coherence.workers import eventually
from tests.integration.replicas.servers import Site, Worker, new_user

COLD = 600
log = logging.getLogger(__name__)


def test_lagging_replicas_answer_nearly_all_cold_reads_of_unchanged_data(
    servers: Site, workers: list[Worker], cache: Memcached
) -> None:
    """Half a second of lag, while others are changed all the time."""
    first, second = workers
    users, other = [new_user(servers.url) for _ in range(COLD)], new_user(servers.url)
    for each in (servers.first, servers.second):
        each.catch_up()
        each.set("recovery_min_apply_delay", "500ms")
    eventually(lambda: second.sees(2))
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            first.users.change(other, Profile(name=f"n{number}"), None)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for user in users[: COLD // 2]:
            second.users.profile(user)
        for start in range(COLD // 2, COLD, 10):
            second.users.profiles(users[start : start + 10])
    finally:
        ended.set()
        changing.join()
    reads, refused = second.counted("replica_reads"), second.counted("replica_refused")
    asked = COLD // 2 + COLD // 20
    log.info("replicas answered %d of %d cold reads of unchanged data, %d were too old", reads, asked, refused)
    assert reads >= 0.95 * asked
