"""Enqueueing of tasks, inside the transaction of the change that they belong to."""

import msgspec

from app.infra.postgres.database import Transaction
from app.tasks import store
from app.tasks.task import Arguments, Task

_encode = msgspec.json.encode


def enqueue(
    transaction: Transaction,
    task: Task,
    args: Arguments | None = None,
    *,
    unique_key: str | None = None,
    delay_s: float = 0.0,
    priority: int | None = None,
) -> int | None:
    """Have a worker do `task` once the transaction has committed, at least once; returns the task's id.

    While a task with the same `unique_key` waits, another one is not enqueued and None is returned; the one that waits
    does not start before this transaction has ended. Keys of different tasks are different.
    """
    key = None if unique_key is None else f"{task.name}:{unique_key}"
    wanted = task.priority if priority is None else priority
    return store.enqueue(transaction, task.name, _encode(args or {}).decode(), key, delay_s, wanted)
