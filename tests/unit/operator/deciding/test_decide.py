"""The rules of the budget protocol, one situation each."""

from dataclasses import replace

from jobfinder_operator.deciding.budget import Decision, Grow, Shrink, decide
from jobfinder_operator.deciding.ledger import UNASKED, Entry, Ghost, Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Reading, Snapshot, Workload

NOW = 100.0
PARAMETERS = Parameters(budget=16, max_pods=4, headroom=2, per_pod_max=8, holder="me")


def entry(name: str, cap: int, **more: object) -> Entry:
    return replace(Entry(name, name, cap, cap, cap, f"s-{name}", born_with=1, process="p"), **more)  # type: ignore[arg-type]


def ledger(*entries: Entry, ghosts: tuple[Ghost, ...] = ()) -> Ledger:
    return Ledger("me", pods={each.uid: each for each in entries}, ghosts=ghosts)


def pod(name: str, size: int, servers: int | None = None, session: str = "", **more: object) -> PodSeen:
    reading = Reading(NOW, session or f"s-{name}", size, size if servers is None else servers)
    return replace(PodSeen(name, name, process="p", born_with=1, reading=reading), **more)  # type: ignore[arg-type]


def decided(recorded: Ledger | None, *pods: PodSeen, parameters: Parameters = PARAMETERS, **demands: float) -> Decision:
    return decide(parameters, recorded, Snapshot(NOW, pods, Workload(born_with=1), demands=demands), NOW)


def test_grants_are_in_the_ledger_before_they_are_sent() -> None:
    decision = decided(ledger(), pod("a", 1), pod("b", 1))
    assert [(type(step), step.uid, step.expect, step.to) for step in decision.steps] == [
        (Grow, "a", 1, 6),
        (Grow, "b", 1, 6),
    ]
    assert [each.cap for each in decision.ledger.pods.values()] == [6, 6]
    assert decision.sums.total == decision.sums.budget


def test_shrink_frees_room_only_after_it_is_seen() -> None:
    recorded, parameters = ledger(entry("a", 8), entry("b", 1, wanted=UNASKED)), replace(PARAMETERS, budget=13)
    first = decided(recorded, pod("a", 8), pod("b", 1), parameters=parameters)
    assert [(type(step), step.uid, step.to) for step in first.steps] == [(Shrink, "a", 5)]
    assert [each.cap for each in first.ledger.pods.values()] == [8, 1]
    assert first.sums.room == 0
    then = decided(first.ledger, pod("a", 5), pod("b", 1), parameters=parameters)
    assert [(type(step), step.uid, step.to) for step in then.steps] == [(Grow, "b", 4)]
    assert [each.cap for each in then.ledger.pods.values()] == [5, 4]


def test_draining_connections_count_until_they_are_closed() -> None:
    recorded = ledger(entry("a", 8, wanted=5), entry("b", 1))
    assert decided(recorded, pod("a", 5, servers=7), pod("b", 1)).ledger.pods["a"].cap == 7


def test_a_killed_sidecar_leaves_a_ghost() -> None:
    decision = decided(ledger(entry("a", 6), entry("b", 6)), pod("a", 1, session="new", process="q"), pod("b", 6))
    assert [(ghost.uid, ghost.cap, ghost.until) for ghost in decision.ledger.ghosts] == [("a", 6, NOW + 7)]
    assert decision.ledger.pods["a"].cap < 6
    assert decision.drifts[0].kind == "restarted"
    assert decision.sums.room >= 0


def test_smaller_size_on_a_new_connection_is_not_believed_while_a_command_may_arrive() -> None:
    recorded = ledger(entry("a", 6, asked_at=NOW - 1), entry("b", 6))
    decision = decided(recorded, pod("a", 1, session="new"), pod("b", 6))
    assert decision.ledger.pods["a"].cap == 6
    assert [step.uid for step in decision.steps] == []
    assert decision.unsettled


def test_terminating_and_unreachable_pods_keep_what_they_have() -> None:
    silent = replace(pod("b", 6), reading=None, reachable=False)
    decision = decided(
        ledger(entry("a", 6), entry("b", 6)),
        replace(pod("a", 6), phase=Phase.TERMINATING, reading=None),
        silent,
        pod("c", 1),
    )
    assert [each.cap for each in decision.ledger.pods.values()] == [6, 6, 1]
    assert decision.steps == ()


def test_how_long_a_removed_pod_counts() -> None:
    entries = {
        "told": entry("told", 3),
        "forced": entry("forced", 3),
        "late": entry("late", 3, leaving_at=NOW - 20),
        "overdue": entry("overdue", 3, leaving_at=NOW - 90),
        "lost": entry("lost", 3, reachable=False),
        "finished": entry("finished", 3),
        "failed": entry("failed", 3),
    }
    over = replace(pod("finished", 3), phase=Phase.FINISHED)
    failed = replace(over, uid="failed", reachable=False)
    observed = Snapshot(NOW, (over, failed), ended=frozenset({"told"}))
    ghosts = decide(PARAMETERS, ledger(*entries.values()), observed, NOW).ledger.ghosts
    assert {ghost.uid: ghost.until - NOW for ghost in ghosts} == {
        "told": 7,
        "forced": 37,
        "late": 17,
        "overdue": 67,
        "lost": 67,
        "finished": 7,
        "failed": 37,
    }


def test_late_news_of_a_pods_end_shortens_its_ghost() -> None:
    recorded = ledger(ghosts=(Ghost("a", "a", 5, NOW + 30, 37),))
    observed = Snapshot(NOW, ended=frozenset({"a"}))
    assert [ghost.until for ghost in decide(PARAMETERS, recorded, observed, NOW).ledger.ghosts] == [NOW + 7]


def test_pool_raised_by_hand_counts_at_once_and_is_reset() -> None:
    decision = decided(ledger(entry("a", 6), entry("b", 6)), pod("a", 20), pod("b", 6))
    assert decision.ledger.pods["a"].cap == 20
    assert [(step.uid, step.to) for step in decision.steps] == [("a", 6)]
    assert [each.kind for each in decision.drifts] == ["raised"]


def test_unrecorded_pool_counts_and_is_kept_if_it_fits() -> None:
    decision = decided(ledger(entry("a", 6)), pod("a", 6), pod("b", 6))
    assert decision.ledger.pods["b"].cap == 6
    assert [each.kind for each in decision.drifts] == ["unrecorded"]
    assert decision.steps == ()


def test_nothing_grows_after_a_lost_ledger_until_all_sizes_are_known() -> None:
    first = decided(None, pod("a", 6), pod("b", 1))
    assert [each.cap for each in first.ledger.pods.values()] == [8, 8]
    assert first.steps == ()
    observed = Snapshot(NOW + 6, (pod("a", 6), pod("b", 1)), Workload(born_with=1))
    later = tuple(replace(each, reading=replace(each.reading, at=NOW + 6)) for each in observed.pods if each.reading)
    second = decide(PARAMETERS, first.ledger, replace(observed, pods=later), NOW + 6)
    assert [each.cap for each in second.ledger.pods.values()] == [6, 1]
    assert second.ledger.blind_until == NOW + 6 + 7
    assert not [step for step in second.steps if isinstance(step, Grow)]


def test_new_operator_restarts_all_recorded_times() -> None:
    recorded = ledger(entry("a", 6, asked_at=10_000.0), ghosts=(Ghost("x", "x", 4, 20_000.0, 7.0),))
    decision = decided(recorded, pod("a", 4), parameters=replace(PARAMETERS, holder="another"))
    assert decision.ledger.holder == "another"
    assert decision.ledger.pods["a"].cap == 6
    assert decision.ledger.pods["a"].asked_at == NOW
    assert [ghost.until for ghost in decision.ledger.ghosts] == [NOW + 7]


def test_larger_pod_template_counts_for_every_future_pod() -> None:
    observed = Snapshot(NOW, (pod("a", 1), pod("b", 1)), Workload(born_with=3))
    sums = decide(PARAMETERS, ledger(entry("a", 1), entry("b", 1)), observed, NOW).sums
    assert (sums.floor, sums.floor * sums.slots) == (3, 12)


def test_observe_mode_sends_no_commands() -> None:
    decision = decided(ledger(), pod("a", 1), pod("b", 1), parameters=replace(PARAMETERS, acts=False))
    assert decision.steps == ()
    assert decision.targets == {"a": 6, "b": 6}
    assert [each.cap for each in decision.ledger.pods.values()] == [1, 1]


def test_decision_does_not_depend_on_the_order_of_pods() -> None:
    pods = (pod("b", 1), pod("a", 1), pod("c", 1))
    first, second = decided(ledger(), *pods), decided(ledger(), *reversed(pods))
    assert first.targets == second.targets
