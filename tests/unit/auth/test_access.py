"""Which passwords are too easy to guess."""

import pytest

from app.auth.access import weakness

EMAIL = "ada.lovelace@engines.example"


@pytest.mark.parametrize(
    "password", ["password1", "PassWord1", "\uff50assword1", "12345678", "aaaaaaaaaaaa", "ÀÀÀÀÀÀÀÀ"]
)
def test_a_password_that_anybody_would_try_is_common(password: str) -> None:
    assert (weakness(password, EMAIL) or ("",))[0] == "common_password"


@pytest.mark.parametrize(
    "password", [EMAIL, EMAIL.upper(), "AdaLovelace", "ada-lovelace-1", "engines.example", "Engines!", "1engines23"]
)
def test_a_password_that_is_little_more_than_the_address_resembles_it(password: str) -> None:
    assert (weakness(password, EMAIL) or ("",))[0] == "resembles_email"


@pytest.mark.parametrize(
    "password", ["a long walk in the rain", "lovelace writes programs", "密码密码密码密马", "Ada12345x"]
)
def test_any_other_password_is_taken(password: str) -> None:
    assert weakness(password, EMAIL) is None


def test_a_short_part_of_the_address_is_no_resemblance() -> None:
    assert weakness("abcdefg-x9", "abc@x.y") is None
