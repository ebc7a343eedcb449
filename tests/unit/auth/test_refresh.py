"""The encoding of refresh tokens, and which token each is exchanged for."""

import string

import pytest

from app.auth.records import Family
from app.auth.refresh import Presented, RefreshTokens, successor, token_hash
from app.errors import InvalidToken

TOKENS = RefreshTokens(b"k" * 32)
FAMILY = b"f" * 16


def test_parse_returns_what_was_encoded() -> None:
    mac = TOKENS.mac(FAMILY, 5)
    assert TOKENS.parse(TOKENS.spell(2**62, 5, mac)) == (2**62, 5, mac)


def test_mac_depends_on_number_family_and_secret() -> None:
    assert TOKENS.mac(FAMILY, 1) == TOKENS.mac(FAMILY, 1)
    assert len({TOKENS.mac(FAMILY, 1), TOKENS.mac(FAMILY, 2), TOKENS.mac(b"g" * 16, 1)}) == 3
    assert RefreshTokens(b"x" * 32).mac(FAMILY, 1) != TOKENS.mac(FAMILY, 1)


def test_stored_hash_does_not_contain_the_mac() -> None:
    mac = TOKENS.mac(FAMILY, 1)
    assert mac not in token_hash(mac)


@pytest.mark.parametrize("text", ["", "x", "!!!!", "ä", "A" * 58, "A" * 200, "A" * 59 + "\n"])
def test_malformed_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.parse(text)


def test_non_canonical_encoding_is_refused() -> None:
    token = TOKENS.spell(1, 1, TOKENS.mac(FAMILY, 1))
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    unused_bits = alphabet[alphabet.index(token[-1]) ^ 1]
    for other in (f"{token}=", f"{token}==", token[:-1] + unused_bits):
        with pytest.raises(InvalidToken):
            TOKENS.parse(other)


@pytest.mark.parametrize(
    ("number", "present", "ages", "given"),
    [
        (0, 0, [], 1),
        (7, 7, [0.1], 8),
        (6, 7, [1e6], 7),  # 7 has not been presented yet
        (6, 7, [], 7),
        (5, 7, [0.5, 9.9], 7),
        (5, 7, [0.5, 10.1], None),
        (4, 7, [0.5, 1.0, 2.0], 7),
        (4, 7, [0.5, 1.0], None),  # rotated before the remembered rotations
        (5, 7, [0.5], None),
        (8, 7, [0.5], None),
    ],
)
def test_successor_of_a_token(number: int, present: int, ages: list[float], given: int | None) -> None:
    assert successor(number, present, ages) == given


def presented(number: int, family: bytes = FAMILY) -> Presented:
    return Presented(1, number, TOKENS.mac(family, number))


def family_at(number: int, made: bytes = FAMILY) -> Family:
    return Family(2, FAMILY, number, token_hash(TOKENS.mac(made, number)), [], live=True)


def test_current_token_and_its_parent_are_exchanged() -> None:
    assert TOKENS.next_number(presented(3), family_at(3)) == 4
    assert TOKENS.next_number(presented(2), family_at(3)) == 3


def test_current_token_with_another_hash_counts_as_reuse() -> None:
    assert TOKENS.next_number(presented(3), family_at(3, made=b"g" * 16)) is None


def test_a_token_of_another_family_is_not_valid() -> None:
    with pytest.raises(InvalidToken):
        TOKENS.next_number(presented(3, b"g" * 16), family_at(3))
