"""What counts as the same content, and what does not."""

import string

from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.clean.content import content_hash, normalised_content

WORDS = st.lists(st.text(alphabet=string.ascii_letters + "äßΣñж日本", min_size=1, max_size=8), min_size=1, max_size=6)


@given(WORDS, st.sampled_from([" ", "\n\n", "\t", "\u00a0", "\u200b ", " \ufeff"]), st.booleans())
def test_case_space_and_invisible_characters_make_no_difference(words: list[str], gap: str, upper: bool) -> None:
    plain = " ".join(words)
    varied = gap.join(word.upper() if upper else word for word in words)
    assert content_hash(None, plain) == content_hash(None, f" {varied}\u200d ")


@given(WORDS)
def test_addresses_make_no_difference(words: list[str]) -> None:
    text = " ".join(words)
    assert content_hash(text, None) == content_hash(text, "https://t.example/abc?x=1")
    assert content_hash(None, f"WWW.example.com/a {text}") == content_hash(None, text)


def test_title_and_text_run_on() -> None:
    assert content_hash("Rates rise", "by a quarter") == content_hash(None, "Rates rise by a quarter")


def test_wide_and_composed_letters_are_the_letters() -> None:
    assert (
        normalised_content("Ｆｕｌｌ ｗｉｄｔｈ", "cafe\u0301 ﬁne STRASSE straße")
        == "full width café fine strasse strasse"
    )


def test_an_address_ends_where_other_script_follows() -> None:
    assert normalised_content(None, "看 https://example.com/a今天天气很好") == "看 今天天气很好"


def test_different_words_differ_and_nothing_is_empty() -> None:
    assert content_hash("a", None) != content_hash("b", None)
    assert normalised_content(None, " \u200b https://example.com \0") == ""
    assert len(content_hash(None, None)) == 32


def test_long_text_takes_no_long_time() -> None:
    # Tried at every place up to the end, this would run into the time limit of tests.
    assert content_hash("t", "äw http " * 500_000)
