"""Phone numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.properties import STEADY
from wharf.errors import WharfError
from whatsapp import phones
from whatsapp.errors import BadPhoneNumber, PhoneNumberMissing


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("+49 155 5000-0001", "4915550000001"),
        ("4915550000001", "4915550000001"),
        ("8 (912) 345-67-89", "79123456789"),
        ("912 345 67 89", "79123456789"),
        ("+7 912 345 67 89", "79123456789"),
        ("79123456789", "79123456789"),
        ("+1 (650) 555\u20110100", "16505550100"),
        ("+44\u00a020.7946.0018", "442079460018"),
        ("+8 912 345 67 89", "89123456789"),
        (" +123456789012345 ", "123456789012345"),
    ],
)
def test_it_is_understood_as_it_is_written(written: str, digits: str) -> None:
    assert phones.normalise(written) == digits


@pytest.mark.parametrize("written", ["", " ", "()-", "\n"])
def test_nothing_is_a_missing_number(written: str) -> None:
    with pytest.raises(PhoneNumberMissing):
        phones.normalise(written)


@pytest.mark.parametrize(
    "written",
    [
        "123",
        "+123456789",
        "+1234567890123456",
        "+0123456789",
        "call me",
        "+",
        "++4915550000001",
        "49+15550000001",
        "4915550000001\0",
        "٤٩١٥٥٥٠٠٠٠٠٠١",
        "4915550000001;drop",
        "4915550000001@s.whatsapp.net",
    ],
)
def test_anything_else_is_no_number(written: str) -> None:
    with pytest.raises(BadPhoneNumber):
        phones.normalise(written)


@STEADY
@given(st.text(max_size=40))
def test_whatever_is_written_it_is_digits_or_an_error(written: str) -> None:
    try:
        digits = phones.normalise(written)
    except WharfError:
        return
    assert digits.isascii()
    assert digits.isdigit()
    assert 10 <= len(digits) <= 15
    assert phones.normalise(f"+{digits}") == digits


def test_digits_are_shown_with_a_plus_and_nothing_as_nothing() -> None:
    assert (phones.shown("4915550000001"), phones.shown("")) == ("+4915550000001", "")
