"""Simulated threads: another task may run between any two steps of the code, or while a task waits for a lock."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from app.coherence.clock import S_IN_NS
from tests.unit.coherence.model.scheduler import BoundedPolicy, Scheduler, Task, following

FOREVER_S = 1e6


class _Steps(ast.NodeTransformer):
    """Wraps each call, attribute read and item read in `_step(...)`."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._stepped(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._stepped(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A method lookup is not a separate step."""
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(each) for each in node.args]
        node.keywords = [self.visit(each) for each in node.keywords]
        return ast.Call(ast.Name("_step", ast.Load()), [node], [])

    def _stepped(self, node: ast.expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return node
        return ast.Call(ast.Name("_step", ast.Load()), [node], [])


@contextmanager
def switching(step: Callable[[], None], *owners: type | ModuleType | Callable[..., Any]) -> Iterator[None]:
    """Call `step` between any two steps of these functions, and of all functions of these classes and modules."""
    with ExitStack() as stack:
        for function in (each for owner in owners for each in _functions(owner)):
            module = sys.modules[function.__module__]
            stack.enter_context(patch.dict(vars(module), _step=_passing_on(step)))
            stack.callback(setattr, function, "__code__", function.__code__)
            function.__code__ = _stepped_codes(module)[function.__code__.co_qualname]
        yield


class Running:
    """The scheduler of the current run."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(BoundedPolicy([], 0))

    def pause(self) -> None:
        self.scheduler.pause()

    def every_order(self, start: Callable[[Scheduler], object], switches: int) -> Iterator[Scheduler]:
        """Run the tasks that `start` spawns in every order with at most `switches` switches; yield after each run."""
        script: list[int] | None = []
        while script is not None:
            policy = BoundedPolicy(script, 0)
            self.scheduler = Scheduler(policy)
            start(self.scheduler)
            policy._left = switches
            while self.scheduler.step():
                pass
            yield self.scheduler
            script = following(policy)


@contextmanager
def simulated_locks(scheduler: Callable[[], Scheduler], *modules: ModuleType) -> Iterator[None]:
    """Replace `threading.Lock` in these modules: while a task waits for a lock, other tasks run."""
    stand_in = SimpleNamespace(Lock=lambda: Lock(scheduler()))
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(patch.object(module, "threading", stand_in))
        yield


class Lock:
    """A simulated `threading.Lock`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._held = scheduler, False
        self._waiting: list[Task] = []

    def __enter__(self) -> None:
        while self._held:
            self._waiting.append(self._scheduler.current)
            started_ns = self._scheduler.now_ns
            self._scheduler.sleep(FOREVER_S)
            assert self._scheduler.now_ns - started_ns < FOREVER_S * S_IN_NS, "the lock is never released"
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            task.wake_ns = None


class Parking:
    """A simulated parking place, where one task waits."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._woken = scheduler, False
        self._task: Task | None = None

    def park(self, timeout_s: float) -> bool:
        if not self._woken:
            self._task = self._scheduler.current
            self._scheduler.sleep(timeout_s)
        return self._woken

    def unpark(self) -> None:
        """Wake the task; a second call raises RuntimeError, as releasing an unlocked lock does."""
        if self._woken:
            raise RuntimeError("release unlocked lock")
        self._woken = True
        if self._task is not None:
            self._task.wake_ns = None


def _passing_on(step: Callable[[], None]) -> Callable[[Any], Any]:
    def stepped(value: Any) -> Any:
        step()
        return value

    return stepped


def _functions(owner: type | ModuleType | Callable[..., Any]) -> list[FunctionType]:
    if isinstance(owner, FunctionType):
        return [owner]
    module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return [each for each in vars(owner).values() if isinstance(each, FunctionType) and each.__module__ == module]


@cache
def _stepped_codes(module: ModuleType) -> dict[str, CodeType]:
    tree = ast.fix_missing_locations(_Steps().visit(ast.parse(inspect.getsource(module))))
    return dict(_codes(compile(tree, str(module.__file__), "exec", dont_inherit=True)))


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname, inner
            yield from _codes(inner)
