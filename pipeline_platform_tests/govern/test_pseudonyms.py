"""Pseudonyms join the rows of an author and tell nothing of the name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.govern.pseudonyms import DIGEST_BYTES, pseudonymiser

KNOWN = "d13af766c42403af0befa66b8f67fca1"

of = pseudonymiser(b"a key")


def test_one_author_has_one_pseudonym_per_source() -> None:
    assert of("reddit", "ada") == of("reddit", "ada") == pseudonymiser(b"a key")("reddit", "ada")
    assert len({of("reddit", "ada"), of("github", "ada"), of("reddit", "Ada"), of("reddit", "bo")}) == 4


def test_source_and_name_cannot_be_shifted_into_each_other() -> None:
    assert of("red", "dit:ada") != of("reddit", ":ada")
    assert of("reddit", "ada") != of("reddita", "da")


def test_another_key_gives_other_pseudonyms() -> None:
    assert pseudonymiser(b"another key")("reddit", "ada") != of("reddit", "ada")


def test_it_is_hmac_sha_256() -> None:
    # openssl: printf 'reddit\0ada' | openssl dgst -sha256 -hmac 'a key'
    assert of("reddit", "ada") == KNOWN


@given(st.text(st.characters(codec=None), min_size=1))
def test_any_name_has_one_that_does_not_hold_it(name: str) -> None:
    found = of("reddit", name)
    assert re.fullmatch(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}", found)
    assert len(name) < 4 or name not in found


@pytest.mark.parametrize("name", ["\ud800", "a\x00b", "名前", " "])
def test_odd_names(name: str) -> None:
    assert len(of("reddit", name)) == 2 * DIGEST_BYTES
