"""Canonical addresses: what becomes equal, what stays apart, and the quick path says what the slow one says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.clean.urls import _normalised, canonical_url


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.com", "https://example.com/"),
        ("http://Example.COM:80/a", "https://example.com/a"),
        ("HTTPS://example.com:443/a#top", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com/a?utm_source=rss&UTM_Medium=x&fbclid=1&gclid=2", "https://example.com/a"),
        ("https://example.com/a?id=7&utm_campaign=x&b=2", "https://example.com/a?b=2&id=7"),
        ("https://example.com/a?b=2&a=1&a=0", "https://example.com/a?a=1&a=0&b=2"),
        ("https://example.com/x/../b//c/", "https://example.com/b/c/"),
        ("https://example.com/%7ejoe/ü?q=ä", "https://example.com/~joe/%C3%BC?q=%C3%A4"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://me:secret@example.com/a", "https://example.com/a"),
        ("https://[2001:DB8::1]/x", "https://[2001:db8::1]/x"),
        ("  https://example.com/a \n", "https://example.com/a"),
        ("https://example.com/?", "https://example.com/"),
        ("https://example.com/#!/item/5", "https://example.com/?_escaped_fragment_=/item/5"),
        ("https://example.com/a#:~:text=hello", "https://example.com/a"),
    ],
)
def test_spellings_of_a_page_become_one(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.com/a", "https://example.com/a/"),
        ("https://example.com/a?id=1", "https://example.com/a?id=2"),
        ("https://www.example.com/a", "https://example.com/a"),
        ("https://example.com/A", "https://example.com/a"),
        ("https://example.com/a?ref=1", "https://example.com/a?ref=2"),
    ],
)
def test_what_may_be_different_pages_stays_apart(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)


@pytest.mark.parametrize(
    "url",
    [None, "", " ", "example.com/a", "/a", "//example.com/a", "mailto:me@example.com", "javascript:alert(1)",
     "https://", "https:///a", "https://exa mple.com/", "https://example.com:port/", f"https://{'a' * 300}.com/",
     "https://[::1/", "ftp://example.com/a"],
)  # fmt: skip
def test_no_web_address_has_none(url: str | None) -> None:
    assert canonical_url(url) is None


LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)
URLS = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join(labels) + ".com"),
    st.text(alphabet="/ab.~%2B:@;=é ", max_size=12).map(lambda path: f"/{path}" if path else ""),
    st.text(alphabet="ab=&%41+?/é_utm", max_size=12).map(lambda query: f"?{query}" if query else ""),
    st.sampled_from(["", "#", "#top", "#a/b?c"]),
)


@given(URLS)
def test_quick_path_agrees_with_normalisation_and_is_stable(url: str) -> None:
    canonical = canonical_url(url)
    assert canonical == _normalised(url)
    assert canonical is None or canonical_url(canonical) == canonical


@given(st.text(max_size=60).map(lambda tail: f"https://{tail}"))
def test_no_text_crashes_it(url: str) -> None:
    canonical_url(url)
