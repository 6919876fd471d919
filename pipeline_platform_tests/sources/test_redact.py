import base64
import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from pipeline_platform.sources.redact import MASK, Redactor, is_secret_name, redact
from pipeline_platform_tests.sources.conftest import SECRET, KeyedSettings

REDACTOR = Redactor([SECRET])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://a.org/x?appid=abc123&q=1", "https://a.org/x?appid=***&q=1"),
        ("https://a.org/x?q=1&x_cg_demo_api_key=CG-abc#top", "https://a.org/x?q=1&x_cg_demo_api_key=***#top"),
        ("GET /x?apiKey=abc HTTP/1.1", "GET /x?apiKey=*** HTTP/1.1"),
        ("https://bob:hunter2@proxy.org/x", "https://***@proxy.org/x"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("sent bearer eyJhbGciOi.J9_x to them", "sent bearer *** to them"),
        ("{'Authorization': 'token abc', 'n': 1}", "{'Authorization': '***', 'n': 1}"),
        ('{"access_token": "a\\"b", "scope": "*"}', '{"access_token": "***", "scope": "*"}'),
        ("[('client_secret', 'abc'), ('q', 'x')]", "[('client_secret', '***'), ('q', 'x')]"),
        ("grant_type=password&password=pw1&username=u", "grant_type=password&password=***&username=u"),
        ("redirect=https%3A%2F%2Fa.org%3Ftoken%3Dabc%26q%3D1", "redirect=https%3A%2F%2Fa.org%3Ftoken%3D***%26q%3D1"),
        ("X-Api-Key=abc", "X-Api-Key=***"),
    ],
)
def test_what_stands_under_a_secret_name_goes(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "https://a.org/x?next_token=abc&pagination_token=def&q=token",
        "the basic idea of a bearer bond",
        "Bearer authentication is required",
        '{"tokens": 12, "key": "bitcoin", "author": "ann"}',
        "https://a.org/user/x@y?z=1",
        "a secret is kept",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        repr(SECRET),
        urlencode({"q": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_the_values_go_however_they_are_written(form: str) -> None:
    clean = REDACTOR.text(f"before {form} after")
    assert "s3cr3t" not in clean
    assert base64.b64encode(SECRET.encode()).decode() not in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")


VISIBLE = st.characters(exclude_categories=("C", "Z"))


@given(secret=st.text(VISIBLE, min_size=6), before=st.text(VISIBLE), after=st.text(VISIBLE))
@example(secret="aaaaaa", before="a", after="aa")
@example(secret=".*+?[x", before="", after="")
def test_a_known_value_is_never_left(secret: str, before: str, after: str) -> None:
    assume(MASK not in secret)
    clean = Redactor([secret]).text(f"{before}{secret}{after}")
    # Masking can put the pieces around it together anew only when they held parts of the secret themselves.
    assert secret not in clean or secret in before + MASK + after


def test_knows_every_secret_of_the_settings() -> None:
    class Nested(BaseModel):
        inner: SecretStr = SecretStr("nested-value")

    class Settings(KeyedSettings):
        feeds: tuple[SecretStr, ...] = (SecretStr("listed-value"),)
        by_name: Mapping[str, SecretStr]
        nested: Nested = Nested()
        other: str = "public"

    settings = Settings(
        api_key=SecretStr(SECRET), base_url="http://u:p%40ss-word@proxy.org", by_name={"a": SecretStr("mapped-value")}
    )
    assert Redactor.of(settings).values == {SECRET, "nested-value", "listed-value", "mapped-value", "p@ss-word"}
    assert Redactor.of(KeyedSettings()).values == frozenset()


def test_json_like_values_are_cleaned_deeply() -> None:
    value = {
        "headers": {"X-Api-Key": "abc", "n": 1},
        "list": [SECRET, {"token": "t"}],
        "when": None,
        "b": b"x",
        "f": 1.5,
    }
    assert REDACTOR.value(value) == {
        "headers": {"X-Api-Key": MASK, "n": 1},
        "list": [MASK, {"token": MASK}],
        "when": None,
        "b": "b'x'",
        "f": 1.5,
    }


def test_tracebacks_are_cleaned_with_their_causes() -> None:
    try:
        try:
            raise ValueError(f"inner {SECRET}")
        except ValueError as error:
            raise RuntimeError(f"outer {SECRET}") from error
    except RuntimeError as error:
        trace = REDACTOR.trace(error)
    assert SECRET not in trace
    assert "inner ***" in trace
    assert "outer ***" in trace


def test_longer_secrets_go_first() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("x abcdefgh y") == "x *** y"


def test_short_and_empty_values_do_not_blot_out_everything() -> None:
    assert Redactor(["", "a"]).text("a banana") == "a banana"


@pytest.mark.parametrize(
    "name", ["Authorization", "X-API-Key", "apikey", "consumer_secret", "COINGECKO_API_KEY", "token"]
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["q", "next_token", "key", "id", "accept"])
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


def test_finds_credentials_in_a_request() -> None:
    assert REDACTOR.holds_secret({"Authorization": "x"})
    assert REDACTOR.holds_secret({"q": f"a{SECRET}b"})
    assert not REDACTOR.holds_secret({"q": "a", "Authorization": None})
