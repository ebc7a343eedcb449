"""Child processes: they end with their parent, and their exit is reported."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.local.process import Command, LocalError, Process, becomes_true

SLEEP = ["/bin/sleep", "600"]
PARENT = """
import sys; from app.local.process import Command, Process
print(Process("sleep", Command(["/bin/sleep", "600"])).pid, flush=True); sys.stdin.read()
"""


def state(pid: int) -> str:
    """The letter of proc(5): R, S, T (stopped), Z; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def test_a_child_ends_with_a_killed_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert state(child) not in ("", "Z")
    parent.kill()
    parent.communicate()
    assert becomes_true(lambda: state(child) in ("", "Z"), timeout_s=10)


def test_a_child_outlives_the_thread_that_started_it() -> None:
    started: list[Process] = []
    thread = threading.Thread(target=lambda: started.append(Process("sleep", Command(SLEEP))))
    thread.start()
    thread.join()
    assert becomes_true(lambda: not Path(f"/proc/self/task/{thread.native_id}").exists(), timeout_s=10)
    assert started[0].alive
    assert started[0].end() == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_child_receives_signals_that_its_parent_ignores(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        child = Process("sleep", Command(SLEEP))
    finally:
        signal.signal(number, before)
    assert child.end(number) == -number


def test_stopped_child_can_be_ended() -> None:
    child = Process("sleep", Command(SLEEP))
    child.send(signal.SIGSTOP)
    assert becomes_true(lambda: state(child.pid) == "T", timeout_s=10)
    assert child.end() == -signal.SIGTERM


def test_a_child_that_ignores_the_signal_is_killed_with_its_own_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = Process("stubborn", Command(["/bin/sh", "-c", f"trap '' TERM; sleep 600 & echo $! >{note}; wait; wait"]))
    assert becomes_true(lambda: note.exists() and note.read_text().strip() != "", timeout_s=10)
    assert child.end(grace_s=0.2) == -signal.SIGKILL
    assert becomes_true(lambda: state(int(note.read_text())) in ("", "Z"), timeout_s=10)


def test_exit_report_names_signal_or_exit_code_and_end_of_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Process("shell", Command(["/bin/sh", "-c", "echo last words >&2; exit 3"], log=log))
    assert child.wait(10)
    assert child.obituary() == f"shell (process {child.pid}) ended with exit code 3; the end of {log}:\n    last words"
    child = Process("sleep", Command(SLEEP))
    child.send(signal.SIGKILL)
    assert child.wait(10)
    assert child.obituary().startswith(f"sleep (process {child.pid}) was killed by SIGKILL")


def test_waiting_for_an_ended_child_fails_at_once() -> None:
    child = Process("shell", Command(["/bin/false"]))
    with pytest.raises(LocalError, match="ended with exit code 1"):
        child.wait_until(lambda: False, timeout_s=60)


def test_waiting_for_a_child_that_never_answers_ends_it() -> None:
    child = Process("sleep", Command(SLEEP))
    with pytest.raises(LocalError, match=r"sleep did not answer within 0\.1 s"):
        child.wait_until(lambda: False, timeout_s=0.1)
    assert not child.alive


def test_missing_program_has_a_clear_error() -> None:
    with pytest.raises(LocalError, match=r"ghost cannot be started: .*No such file"):
        Process("ghost", Command(["/nonexistent/ghost"]))
