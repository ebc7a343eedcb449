"""Runs tasks one at a time; decides at each network call which task continues and how much time passes."""

import random
from collections.abc import Callable
from typing import Protocol

from greenlet import GreenletExit, getcurrent, greenlet

from app.coherence.clock import MS_IN_NS, S_IN_NS, Clock

START_NS = 1_000_000 * S_IN_NS


class Task:
    """`wake_ns`: the time at which a sleeping task wakes by itself; None if the task can run."""

    __slots__ = ("body", "number", "owner", "wake_ns")

    def __init__(self, body: greenlet, owner: object, number: int) -> None:
        self.body, self.owner, self.number = body, owner, number
        self.wake_ns: int | None = None


def in_turn(*steps: Callable[[], object]) -> Callable[[], None]:
    """One function that calls all of `steps` in order."""

    def run() -> None:
        for step in steps:
            step()

    return run


class Policy(Protocol):
    """Chooses the next task for the scheduler."""

    def choose(self, ready: list[Task], last: Task | None) -> Task | None:
        """One of `ready`; None lets time pass instead."""

    def pass_ns(self) -> int:
        """How much time passes then; a sleeping task wakes at most this much late."""


class Signal:
    """The simulated `cooperative.Event`."""

    __slots__ = ("_flag", "_rate", "_scheduler", "_waiting")

    def __init__(self, scheduler: "Scheduler", rate: float) -> None:
        self._scheduler, self._rate, self._flag = scheduler, rate, False
        self._waiting: list[Task] = []

    def set(self) -> None:
        self._flag = True
        for task in self._waiting:
            task.wake_ns = None

    def is_set(self) -> bool:
        return self._flag

    def wait(self, timeout_s: float) -> bool:
        if not self._flag:
            task = self._scheduler.current
            self._waiting.append(task)
            self._scheduler.sleep(timeout_s / self._rate)
            if not self._flag:
                self._waiting.remove(task)
        return self._flag


class Scheduler:
    """Runs the code under test in greenlets; other tasks may run at each `pause`."""

    def __init__(self, policy: Policy) -> None:
        self.now_ns = START_NS
        self.tasks: list[Task] = []
        self._policy = policy
        self._hub = getcurrent()
        self._last: Task | None = None
        self._spawned = 0
        self._buried: list[Task] = []

    @property
    def current(self) -> Task:
        assert self._last is not None
        return self._last

    def clock(self, rate: float) -> Clock:
        """A clock that runs `rate` times as fast as the scheduler's."""
        return Clock(
            lambda: START_NS + int((self.now_ns - START_NS) * rate),
            lambda: self.now_ns / S_IN_NS,
            lambda seconds: self.sleep(seconds / rate),
            lambda: Signal(self, rate),
        )

    def spawn(self, run: Callable[[], object], owner: object = None) -> Task:
        self._spawned += 1
        task = Task(greenlet(run, self._hub), owner, self._spawned)
        self.tasks.append(task)
        return task

    def pause(self) -> None:
        """Let other tasks run; does nothing when called outside of a task."""
        if getcurrent() is not self._hub:
            self._hub.switch()

    def sleep(self, seconds: float) -> None:
        self.current.wake_ns = self.now_ns + max(int(seconds * S_IN_NS), 1)
        self._hub.switch()

    def kill(self, task: Task) -> None:
        """Raise GreenletExit in the task, as a server that kills a greenlet does."""
        self.tasks.remove(task)
        task.body.throw(GreenletExit)

    def bury(self, owner: object) -> None:
        """Never run the tasks of `owner` again, as after a SIGKILL of its process."""
        self._buried += [task for task in self.tasks if task.owner is owner]
        self.tasks = [task for task in self.tasks if task.owner is not owner]

    def close(self) -> None:
        """End the remaining tasks; a greenlet that has not ended is never freed."""
        for task in self.tasks + self._buried:
            task.body.throw(GreenletExit)

    def step(self) -> bool:
        """Run one task up to its next pause, or let time pass; False when there is no task."""
        tasks, now_ns = self.tasks, self.now_ns
        if not tasks:
            return False
        ready = [task for task in tasks if task.wake_ns is None or task.wake_ns <= now_ns]
        if not ready:
            self.now_ns = min(task.wake_ns for task in tasks if task.wake_ns is not None)
            return True
        task = self._policy.choose(ready, self._last)
        if task is None:
            self.now_ns += self._policy.pass_ns()
            return True
        task.wake_ns = None
        self._last = task
        task.body.switch()
        if task.body.dead:
            tasks.remove(task)
        return True


class RandomPolicy:
    """Chooses at random; about one time in eight it lets time pass, mostly a little."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def choose(self, ready: list[Task], last: Task | None) -> Task | None:
        pick = int(self.random.random() * (len(ready) * 8 / 7 + 0.2))
        return ready[pick] if pick < len(ready) else None

    def pass_ns(self) -> int:
        return int(self.random.choice((1, 4, 15, 40, 60)) * MS_IN_NS)


class BoundedPolicy:
    """Follows `script`, then takes the first option; `options` holds the number of options at each decision.

    A task runs until it waits, except at most `switches` times, when another task runs or time passes
    (context bounding: Musuvathi and Qadeer, PLDI 2007).
    """

    def __init__(self, script: list[int], switches: int) -> None:
        self._script, self._left = script, switches
        self.options: list[int] = []
        self.taken: list[int] = []

    def choose(self, ready: list[Task], last: Task | None) -> Task | None:
        running = last if last in ready else None
        offers: list[Task | None] = [running] if running is not None else list(ready)
        free = len(offers)
        if self._left:
            offers += [task for task in ready if task not in offers]
            offers.append(None)
        number = len(self.options)
        pick = self._script[number] if number < len(self._script) else 0
        self.options.append(len(offers))
        self.taken.append(pick)
        if pick >= free:
            self._left -= 1
        return offers[pick]

    def pass_ns(self) -> int:
        return 51 * MS_IN_NS


def following(policy: BoundedPolicy) -> list[int] | None:
    """The script of the next run in depth-first order, None after the last one."""
    script, options = list(policy.taken), policy.options
    while script:
        script[-1] += 1
        if script[-1] < options[len(script) - 1]:
            return script
        script.pop()
    return None
