"""The faults: what is done to which part, and within what time everything must work again, for which reason."""

from dataclasses import dataclass

from tests.chaos import inflicting as do
from tests.chaos.bed import LOG, MAIL, OTHER, PRIMARY, REPLICA, SILENT_S
from tests.chaos.inflicting import CUT, SLOW, Inflict, killed, paused, pooler, running, starved, weather


@dataclass(frozen=True)
class Fault:
    """One row. `bound_s`: within which every kind of request succeeds again after the end, for the reason `why`.

    `backlog_s`: within which what was acknowledged meanwhile is mailed. `seen` (by users) and `todo` (by operators) are
    for the page.
    """

    part: str
    what: str
    bound_s: float
    why: str
    seen: str
    todo: str
    inflict: Inflict
    backlog_s: float = 20.0
    quick: bool = False
    needs_disk: bool = False

    @property
    def name(self) -> str:
        return f"{self.part}: {self.what}"


def runbook(alert: str) -> str:
    """A link to the page of an alert."""
    return f"see [{alert}](../charts/jobfinder/runbooks/{alert}.md)"


START = 6.0
"""Seconds in which a process of Python starts on two cores under load."""

_APP, _POOLER, _LOG, _OTHER = "service worker", "PgBouncer", "memcached server 0", "another memcached server"
_POSTGRES, _REPLICA, _TASKS, _REALTIME, _SMTP = "PostgreSQL", "replica", "task worker", "realtime gateway", "SMTP"
_NOTHING = "nothing"
_AWAY_MAIL = "mail waits and is sent late, nothing else changes"

FAULTS = (
    Fault(_APP, "kill", START, "the master starts another worker (about 2 s); the others answer meanwhile",
          "the requests that this worker was answering get no answer; all others are answered",
          _NOTHING, do.kill_app_worker, quick=True),
    Fault(_APP, "pause", 3, "it looks at the change log and goes on",
          "requests on its connections wait (a quarter of all here); new connections go to the other workers",
          "nothing; gunicorn replaces a worker that stands still for its timeout", do.pause_app_worker),
    Fault(_APP, "slow", 3, "nothing is to be made good",
          "some answers take longer", "more processor time for the pod (`resources.limits.cpu`)",
          starved(lambda bed: bed.pods[0].workers())),
    Fault(_APP, "partition", 10, "waits for connections are bounded (8 s); the pod looks for servers every second",
          "what this pod cannot answer from its caches waits, and gets 503 after 8 s, until it is not ready any more",
          runbook("JobfinderPodDown"), do.cut_off_pod),
    Fault(_POOLER, "kill", 5, "`server_login_retry` (1 s) and new connections of the pod",
          "this pod answers what needs PostgreSQL with 503; what is cached is answered, and searches by the replica",
          "nothing; the kubelet starts it again", killed(pooler), quick=True),
    Fault(_POOLER, "pause", 5, "queries in flight go on; those given up are closed",
          "what needs PostgreSQL waits in this pod, then 503",
          runbook("JobfinderPoolerDown"), paused(pooler)),
    Fault(_POOLER, "slow", 3, "nothing is to be made good", "what needs PostgreSQL takes longer in this pod",
          "more processor time for the sidecar", starved(lambda bed: [running(pooler(bed).process).pid])),
    Fault(_LOG, "kill", 5, "one prober of each worker connects again within a second; the log begins anew",
          "requests ask PostgreSQL; logouts and postings wait, and get 503 after 8 s (stored, not yet promised)",
          runbook("JobfinderLogServerDown") + "; never force-delete its pod",
          killed(lambda bed: bed.memcached[0]), quick=True),
    Fault(_LOG, "pause", 5, "as after a kill, but the log goes on", "as for a kill",
          runbook("JobfinderLogServerDown"),
          paused(lambda bed: bed.memcached[0]), quick=True),
    Fault(_LOG, "slow", 5, "an exchange is bounded by `MEMCACHED_TIMEOUT_MS` (250)",
          "every request waits for a look at the log, which takes longer than the lease (50 ms); writes wait longer",
          "find out why the network is slow", weather(SLOW, LOG)),
    Fault(_LOG, "partition", 5, "as after a pause", "as for a kill",
          runbook("JobfinderLogServerDown"), weather(CUT, LOG),
          quick=True),
    Fault(_OTHER, "kill", 3, "its keys are misses; a prober connects again within a second",
          "nothing", runbook("JobfinderMemcachedDown"),
          killed(lambda bed: bed.memcached[1]), quick=True),
    Fault(_OTHER, "pause", 3, "as after a kill", "one request of each worker waits 250 ms", "as for a kill",
          paused(lambda bed: bed.memcached[1])),
    Fault(_OTHER, "slow", 3, "nothing is to be made good", "some answers take 50 ms longer", "as for a kill",
          weather(SLOW, OTHER)),
    Fault(_OTHER, "partition", 3, "as after a pause", "as for a pause", "as for a kill", weather(CUT, OTHER)),
    Fault(_POSTGRES, "kill", 10, "recovery from WAL, then `server_login_retry` (1 s)",
          "edits, logins, logouts and postings get 503; what is cached is answered, and searches also by the replica",
          "nothing if it is started again; otherwise a failover, with synchronous replication",
          killed(lambda bed: bed.postgres), quick=True),
    Fault(_POSTGRES, "pause", 10, "queries that have waited are worked off (`statement_timeout` 5 s)",
          "as for a kill, but after a wait of up to 8 s", runbook("JobfinderDatabaseTimeouts"),
          paused(lambda bed: bed.postgres), quick=True),
    Fault(_POSTGRES, "slow", 10, "requests that wait for a connection are worked off",
          "everything that needs PostgreSQL takes longer, most of all a posting, which takes several exchanges",
          runbook("JobfinderPoolSaturated"),
          weather(SLOW, PRIMARY)),
    Fault(_POSTGRES, "partition", 10, "as after a pause", "as for a pause", "as for a pause", weather(CUT, PRIMARY)),
    Fault(_POSTGRES, "disk full", 15, "it is started again if it has ended, and recovers from WAL",
          "as for a kill from the moment when no WAL can be written; reads go on until then",
          "give the volume more space; PostgreSQL starts again by itself or by its operator", do.fill_primary_disk,
          needs_disk=True),
    Fault(_REPLICA, "kill", 3, "the primary answers; workers look every second whether the replica is back",
          "nothing", runbook("JobfinderReplicaAway"),
          killed(lambda bed: bed.replica), quick=True),
    Fault(_REPLICA, "pause", 5, "as after a kill", "a read that is not cached may wait 2 s before the primary is asked",
          "as for a kill", paused(lambda bed: bed.replica)),
    Fault(_REPLICA, "slow", 3, "nothing is to be made good", "reads that are not cached take longer",
          "take it out of `DATABASE_REPLICA_URLS`", weather(SLOW, REPLICA)),
    Fault(_REPLICA, "partition", 5, "as after a pause", "as for a pause", "as for a kill", weather(CUT, REPLICA)),
    Fault(_REPLICA, "disk full", 3, "it falls behind or ends, and the primary answers", "nothing",
          "give the volume more space; a replica that is behind by more than `wal_keep_size` has to be made anew",
          do.fill_replica_disk, needs_disk=True),
    Fault(_TASKS, "kill", START + 3, "another process starts; what it had begun is taken after TASKS_SILENT_SECONDS "
          f"({SILENT_S} s here, 30 s by default)", _AWAY_MAIL, _NOTHING, do.kill_task_worker, quick=True),
    Fault(_TASKS, "pause", START + 3, "it goes on, or starts its process again when others have taken its tasks",
          _AWAY_MAIL, _NOTHING, do.pause_task_worker),
    Fault(_TASKS, "slow", 5, "nothing is to be made good", "mail takes longer", _NOTHING, do.slow_task_worker),
    Fault(_TASKS, "partition", START + 6, "it starts its process again after 80 % of TASKS_SILENT_SECONDS",
          _AWAY_MAIL, runbook("JobfinderTasksBehind"),
          do.cut_off_task_worker),
    Fault(_REALTIME, "kill", 3, "clients connect to another gateway and resume",
          "its clients connect again; no event is lost", _NOTHING, killed(lambda bed: bed.gateways[0]), quick=True),
    Fault(_REALTIME, "pause", 5, "it sends what has happened meanwhile", "its clients get events late",
          runbook("JobfinderRealtimeBehind"),
          paused(lambda bed: bed.gateways[0])),
    Fault(_REALTIME, "slow", 5, "nothing is to be made good", "events come later", "as for a pause", do.slow_gateway),
    Fault(_REALTIME, "partition", 10, "it reads the events since its position", "its clients get events late",
          "as for a pause", do.cut_off_gateway),
    Fault(_SMTP, "kill", 5, "new mails are sent at once; failed ones are tried again after 5, 10, 20 s ...",
          _AWAY_MAIL, runbook("JobfinderDigestsUnsent"),
          killed(lambda bed: bed.mail), backlog_s=40, quick=True),
    Fault(_SMTP, "pause", 10, "each answer is waited for MAIL_TIMEOUT (5 s here, 30 s by default)",
          _AWAY_MAIL, "as for a kill", paused(lambda bed: bed.mail), backlog_s=40),
    Fault(_SMTP, "slow", 10, "mails that wait are sent first", "mail takes longer", "as for a kill",
          weather(SLOW, MAIL), backlog_s=40),
    Fault(_SMTP, "partition", 10, "as after a pause", _AWAY_MAIL, "as for a kill", weather(CUT, MAIL), backlog_s=40),
    Fault(_SMTP, "disk full", 5, "answers 4xx are temporary: tried again after 5, 10, 20 s ...",
          _AWAY_MAIL, "as for a kill", do.fill_mail_disk, backlog_s=40),
)  # fmt: skip

LEFT_OUT = (
    (
        "service worker, disk full",
        "it writes no files: its root file system is read-only, and logs go to standard output",
    ),
    ("PgBouncer, partition", "it shares the pod and a Unix socket with the service; a pod that is cut off is a row"),
    ("PgBouncer, disk full", "it writes no files"),
    ("memcached, disk full", "it keeps everything in memory"),
    ("task worker and realtime gateway, disk full", "they write no files"),
)
