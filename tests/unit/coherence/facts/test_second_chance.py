"""The second-chance cache."""

from app.coherence.facts.second_chance import SecondChanceCache


class Item:
    def __init__(self) -> None:
        self.used = False


def filled(capacity: int, keys: range) -> tuple[SecondChanceCache[Item], dict[int, Item]]:
    bounded: SecondChanceCache[Item] = SecondChanceCache(capacity)
    items = {key: Item() for key in keys}
    for key, item in items.items():
        bounded.put(key, item)
    return bounded, items


def test_oldest_entry_is_evicted_first() -> None:
    bounded, _ = filled(3, range(5))
    assert [key for key in range(5) if bounded.find(key)] == [2, 3, 4]


def test_used_entry_stays_for_another_round() -> None:
    bounded, items = filled(3, range(3))
    items[0].used = True
    bounded.put(3, Item())
    assert [key for key in range(4) if bounded.find(key)] == [0, 2, 3]
    for key in (4, 5, 6):
        bounded.put(key, Item())
    assert [key for key in range(7) if bounded.find(key)] == [4, 5, 6]


def test_capacity_is_kept_when_all_entries_are_used() -> None:
    bounded, items = filled(3, range(3))
    for item in items.values():
        item.used = True
    bounded.put(3, Item())
    assert len(bounded) == 3


def test_smaller_capacity_applies_at_once() -> None:
    bounded, _ = filled(10, range(10))
    bounded.resize(4)
    assert [key for key in range(10) if bounded.find(key)] == [6, 7, 8, 9]


def test_replacing_keeps_the_size() -> None:
    bounded, _ = filled(3, range(3))
    replacement = Item()
    bounded.put(1, replacement)
    assert len(bounded) == 3
    assert bounded.find(1) is replacement
