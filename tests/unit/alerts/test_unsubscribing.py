"""Tokens that end alerts cannot be guessed, changed, or used for another account."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.unsubscribing import InvalidToken, UnsubscribeTokens

TOKENS = UnsubscribeTokens(b"k" * 32)
IDS = st.integers(1, 2**63 - 1)


@given(IDS, st.none() | IDS)
def test_token_names_the_account_and_the_search(user_id: int, search_id: int | None) -> None:
    token = TOKENS.make(user_id, search_id)
    assert token == TOKENS.make(user_id, search_id)
    assert TOKENS.read(token) == (user_id, search_id)
    with pytest.raises(InvalidToken):
        UnsubscribeTokens(b"j" * 32).read(token)


@given(st.integers(0, 319), st.integers(1, 255))
def test_changed_token_is_refused(place: int, change: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(TOKENS.make(7, 9)))
    data[place // 8] ^= change
    with pytest.raises(InvalidToken):
        TOKENS.read(base64.urlsafe_b64encode(bytes(data)).decode())


@pytest.mark.parametrize("token", ["", "a", "AAAA", TOKENS.make(7)[:-4], TOKENS.make(7) + "AAAA", "\u00e4" * 54, "=="])
def test_text_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.read(token)
