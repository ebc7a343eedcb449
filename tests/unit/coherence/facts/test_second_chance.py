"""The second-chance cache."""

from app.coherence.facts.second_chance import SecondChanceCache


class Item:
    def __init__(self, size: int = 0) -> None:
        self.used, self.size = False, size


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


def test_bytes_are_bounded_as_well_as_the_number() -> None:
    bounded: SecondChanceCache[Item] = SecondChanceCache(10, most_bytes=100)
    for key in range(4):
        bounded.put(key, Item(30))
    assert [key for key in range(4) if bounded.find(key)] == [1, 2, 3]
    bounded.put(4, Item(95))
    assert [key for key in range(5) if bounded.find(key)] == [4]


def test_bytes_of_what_is_replaced_or_discarded_are_free_again() -> None:
    bounded: SecondChanceCache[Item] = SecondChanceCache(10, most_bytes=100)
    bounded.put(0, Item(90))
    bounded.put(0, Item(40))
    gone = Item(60)
    bounded.put(1, gone)
    assert len(bounded) == 2
    bounded.discard(1, gone)
    bounded.put(2, Item(60))
    assert [key for key in range(3) if bounded.find(key)] == [0, 2]


def test_entry_larger_than_all_the_memory_evicts_nothing_else() -> None:
    bounded: SecondChanceCache[Item] = SecondChanceCache(10, most_bytes=100)
    for key, size in ((0, 50), (1, 50), (1, 101)):
        bounded.put(key, Item(size))
    assert [key for key in range(2) if bounded.find(key)] == [0], "what it replaces is outdated"


def test_fewer_bytes_apply_at_once() -> None:
    bounded: SecondChanceCache[Item] = SecondChanceCache(10, most_bytes=100)
    for key in range(4):
        bounded.put(key, Item(25))
    bounded.resize(10, most_bytes=50)
    assert [key for key in range(4) if bounded.find(key)] == [2, 3]
