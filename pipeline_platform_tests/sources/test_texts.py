"""Texts that stand for something: what has not their form is None and never a guess."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.sources.texts import language_tag, moment, web_address


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en", "en"),
        ("EN_us", "en-US"),
        ("zh-Hant-tw", "zh-Hant-TW"),
        ("und", None),
        ("english", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_language_tags(text: Any, tag: str | None) -> None:
    assert language_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "address"),
    [(" https://a.example/b ", "https://a.example/b"), ("HTTP://a", "HTTP://a"), ("http:///b", None), ("at://a", None)],
)
def test_addresses_of_the_web(text: str, address: str | None) -> None:
    assert web_address(text) == address


def test_moments_are_utc() -> None:
    assert moment("2026-11-22T10:00:00+02:00") == moment("2026-11-22T08:00:00") == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert moment("0001-01-01T00:00:00+10:00") is None


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()))
def test_anything_has_a_form_or_none(value: Any) -> None:
    found = moment(value)
    assert found is None or found.tzinfo is UTC
    assert web_address(value) is None or isinstance(value, str)
    assert language_tag(value) is None or str(language_tag(value)).isascii()
