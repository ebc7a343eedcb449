"""Parameters of the budget protocol."""

from dataclasses import dataclass

HEADROOM, FLOOR, PER_POD_MAX, LINGER_SECONDS = 5, 1, 32, 7
"""Defaults of the resource; crd.yaml has the same (test_crd.py compares)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """`linger_seconds`: how long PostgreSQL may run queries of a PgBouncer that has ended (statement_timeout plus
    client_connection_check_interval plus 1 s). `lost_seconds`: how much longer a pod on an unreachable node may run
    after its object is gone. `command_seconds`: a step not started within the first half is dropped; a command that was
    sent takes effect within the second half or never. `moves_per_minute` limits the shrinks (each a RECONNECT) made for
    demand alone. `acts` False: no steps. `reserved`: connections of other Deployments' pods.
    """

    budget: int
    max_pods: int
    headroom: int = HEADROOM
    floor: int = FLOOR
    per_pod_max: int = PER_POD_MAX
    linger_seconds: float = LINGER_SECONDS
    lost_seconds: float = 60.0
    command_seconds: float = 5.0
    moves_per_minute: int = 12
    holder: str = ""
    acts: bool = True
    reserved: int = 0


def too_little(budget: int, floor: int, max_pods: int, headroom: int, reserved: int = 0) -> str:
    """Why the floors of all pods exceed the budget, with the nearest values that would work; empty if they fit."""
    least = floor * max_pods + headroom + reserved
    if least <= budget:
        return ""
    fewer, lower = (budget - headroom - reserved) // floor, (budget - headroom - reserved) // max_pods
    others = [f"maxPods {fewer}"] if fewer > 0 else []
    others += [f"floor {lower}"] if lower > 0 else []
    others_hold = f" + {reserved} of other Deployments" if reserved else ""
    return (
        f"floor {floor} x maxPods {max_pods} + headroom {headroom}{others_hold} = {least} > connectionBudget {budget}; "
        + ", or ".join([f"connectionBudget {least}", *others])
        + " would work"
    )
