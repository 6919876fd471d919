"""NewsAPI: what an article becomes, how a window is covered, what its errors mean."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources import newsapi
from pipeline_platform.sources.base import Fetch, Record, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.newsapi_records import SAMPLE_ARTICLES, SAMPLE_HEADLINES, identify, parse
from pipeline_platform_tests.sources.json_like import answer, anything, nearly

NOW = datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)
STREAMS = {stream.name: stream for stream in newsapi.SOURCE.streams}
DAY = Window(datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))
KEY = "newsapi-key-1"

Ask = Callable[..., tuple[list[Record], list[dict[str, str]]]]


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Ask:
    """Fetch a stream from a server that gives `answers` one after the other: the records, and what was asked."""

    def fetch(
        *answers: Any,
        stream: str = "newsapi_everything",
        target: str = "harbour",
        window: Window = DAY,
        status: int = 200,
        **settings: Any,
    ) -> tuple[list[Record], list[dict[str, str]]]:
        upstream.script.clear()
        for body in answers:
            upstream.reply(json.dumps(body), status)
        options = newsapi.NewsApiSettings(**{"base_url": upstream.url, "api_key": KEY, **settings})
        with SourceClient(newsapi.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            pages = list(STREAMS[stream].fetch(Fetch(client, options, window, NOW), target))
        for request in upstream.seen:
            assert request.headers["x-api-key"] == KEY
            assert KEY not in request.path
        asked = [dict(parse_qsl(urlsplit(request.path).query)) for request in upstream.seen]
        return [record for page in pages for record in page.records], asked

    return fetch


def article(number: int = 1, published: str | None = "2026-11-21T06:40:00Z", **changes: Any) -> dict[str, Any]:
    return {
        "source": {"id": None, "name": "Harbour Gazette"},
        "author": "Ada Quay",
        "title": "Night ferries return",
        "description": "Three boats cross the bay.",
        "url": f"https://gazette.example.org/{number}",
        "urlToImage": None,
        "publishedAt": published,
        "content": None,
        **changes,
    }


def listed(*articles: Any, total: int | None = None) -> dict[str, Any]:
    return {"status": "ok", "totalResults": len(articles) if total is None else total, "articles": list(articles)}


def row(**changes: Any) -> dict[str, Any]:
    return parse({"article": article(**changes)})


def test_an_article_becomes_a_document() -> None:
    first, gone = (parse(payload) for payload in SAMPLE_HEADLINES)
    assert first["document_id"] == "newsapi:https://gazette.example.org/2026/11/night-ferries"
    assert first["title"] == "Night ferries return after nine years"
    assert first["text"].startswith("The harbour office has found crews for three boats.\nThe first will leave")
    assert first["text"].endswith("the timetable…")
    assert (first["channel"], first["category"]) == ("Harbour Gazette", "general")
    assert first["created_at"] == datetime(2026, 11, 21, 6, 40, tzinfo=UTC)
    assert gone == {
        "document_id": "newsapi:https://removed.com",
        "kind": "article",
        "url": "https://removed.com",
        "created_at": None,
        "is_deleted": True,
    }
    assert parse(SAMPLE_ARTICLES[0])["channel"] == "harbour-gazette"
    assert parse(SAMPLE_ARTICLES[0])["language_declared"] == "en"


@pytest.mark.parametrize(
    ("description", "content", "text"),
    [
        ("Short.", "Longer than the description… [+900 chars]", "Longer than the description…"),
        ("Longer than the content is.", "Short… [+9 chars]", "Longer than the content is."),
        (None, "Kept\r\nin lines", "Kept\nin lines"),
        ("", None, None),
        (None, "… [+77 chars]", None),
        ("<p>One &amp; two</p>", "", "One & two"),
        (None, "Key points:\r\n<ul><li>One</li><li>Two and so</l… [+4584 chars]", "Key points:\nOne\nTwo and so…"),
        ("2 < 3 is no tag", None, "2 < 3 is no tag"),
    ],
)
def test_the_text_is_what_says_more(description: Any, content: Any, text: str | None) -> None:
    assert row(description=description, content=content)["text"] == text


def test_what_is_not_there_is_null_and_what_looks_odd_is_read() -> None:
    bare = row(author=" ", urlToImage="", source={"id": None, "name": None}, title=None)
    assert {bare[name] for name in ("author", "image_url", "channel", "title")} == {None}
    odd = row(
        published="2017-12-08T14:10:53.1234567Z", title="Waves &amp; wind - Harbour Gazette", url="HTTP://x.org/1 "
    )
    assert odd["created_at"] == datetime(2017, 12, 8, 14, 10, 53, 123456, tzinfo=UTC)
    assert odd["title"] == "Waves & wind"
    assert odd["document_id"] == "newsapi:HTTP://x.org/1"
    assert row(published=None)["created_at"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"url": None},
        {"url": "no address"},
        {"url": 7},
        {"title": 7},
        {"content": ["x"]},
        {"source": "bbc-news"},
        {"published": "yesterday"},
        {"published": 1795339800},
    ],
)
def test_a_broken_article_is_no_row(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        row(**changes)


def test_an_article_without_address_is_kept_without_a_name(ask: Ask) -> None:
    records, _ = ask(listed(article(url=None), None, article(2, published="never")))
    assert [(record.record_id, record.event_time) for record in records] == [
        (None, None),
        (None, None),
        ("newsapi:https://gazette.example.org/2", None),
    ]


def test_a_window_is_asked_for_to_the_second(ask: Ask) -> None:
    _, asked = ask(listed(article()), language="en")
    assert asked == [
        {
            "q": "harbour",
            "language": "en",
            "sortBy": "publishedAt",
            "from": "2026-11-21T00:00:00Z",
            "to": "2026-11-21T23:59:59Z",
            "pageSize": "100",
        }
    ]


def test_a_publisher_is_asked_for_by_its_domain(ask: Ask) -> None:
    settings = newsapi.NewsApiSettings(queries=["harbour"], domains=["Gazette.example.org"])
    assert STREAMS["newsapi_everything"].targets(settings) == ["harbour", "domain:gazette.example.org"]
    _, asked = ask(listed(), target="domain:gazette.example.org")
    assert (asked[0]["domains"], "q" in asked[0]) == ("gazette.example.org", False)


def test_what_lies_beyond_a_page_is_asked_for_up_to_its_oldest(ask: Ask) -> None:
    first = [article(1, "2026-11-21T20:00:00Z"), article(2, "2026-11-21T18:00:00Z"), article(9, "2036-01-01T00:00:00Z")]
    second = [article(2, "2026-11-21T18:00:00Z"), article(3, "2026-11-21T09:00:00Z")]
    records, asked = ask(listed(*first, total=4), listed(*second), requests_per_query=5)
    assert [query["to"] for query in asked] == ["2026-11-21T23:59:59Z", "2026-11-21T18:00:00Z"]
    assert [record.record_id and record.record_id[-1] for record in records] == ["1", "2", "9", "3"]


def test_a_second_with_more_than_a_page_is_stepped_over(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    same = [article(number, "2026-11-21T00:00:05Z") for number in (1, 2)]
    last = listed(article(3, "2026-11-21T00:00:01Z"))
    _, asked = ask(listed(*same, total=9), listed(*same, total=9), last, requests_per_query=5)
    assert [query["to"][-3:] for query in asked] == ["59Z", "05Z", "04Z"]
    assert "more articles at 2026-11-21T00:00:05Z" in caplog.text


def test_the_rest_is_left_when_the_requests_of_a_query_are_used(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    records, asked = ask(listed(article(), total=358))
    assert (len(records), len(asked)) == (1, 1)
    assert "357 more articles" in caplog.text
    assert "REQUESTS_PER_QUERY" in caplog.text


def test_headlines_say_which_list_they_were_on(ask: Ask) -> None:
    records, asked = ask(listed(article()), stream="newsapi_headlines", target="gb/science")
    assert asked == [{"country": "gb", "category": "science", "pageSize": "100"}]
    assert parse(records[0].payload)["category"] == "science"


def test_a_month_back_needs_a_paid_plan(ask: Ask, upstream: Any) -> None:
    long_ago = Window(NOW - timedelta(days=40), NOW - timedelta(days=39))
    with pytest.raises(Permanent, match="choose a day from 2026-10-24 on"):
        ask(listed(), window=long_ago)
    assert upstream.seen == []
    assert ask(listed(article()), window=long_ago, is_paid=True)[0]


def test_without_a_key_nothing_is_asked(ask: Ask, upstream: Any) -> None:
    with pytest.raises(Permanent, match="PIPELINE_NEWSAPI__API_KEY"):
        ask(listed(), api_key=None)
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (401, "apiKeyMissing", "Your API key is missing.", Permanent, "newsapi.org/register"),
        (401, "apiKeyInvalid", "Your API key is invalid.", Permanent, "PIPELINE_NEWSAPI__API_KEY"),
        (200, "apiKeyInvalid", "Your API key is invalid.", Permanent, "PIPELINE_NEWSAPI__API_KEY"),
        (401, "apiKeyDisabled", "Your API key has been disabled.", Permanent, "another one"),
        (401, "apiKeyExhausted", "No more requests.", QuotaExhausted, "used up"),
        (429, "rateLimited", "limited to 100 requests over a 24 hour period", QuotaExhausted, "used up"),
        (429, "rateLimited", "Back off for a while.", Transient, "Back off"),
        (426, "maximumResultsReached", "Too many results.", Permanent, "no further results"),
        (426, "parameterInvalid", "results too far in the past", Permanent, "choose later days"),
        (400, "parametersMissing", "Required: q.", Permanent, "PIPELINE_NEWSAPI__QUERIES"),
        (400, "sourceDoesNotExist", "No such source.", Permanent, "No such source"),
        (500, "unexpectedError", "This should not happen.", Transient, "should not happen"),
        (200, "unexpectedError", "This should not happen.", Transient, "should not happen"),
    ],
)
def test_errors_say_what_to_do(
    ask: Ask, status: int, code: str, message: str, kind: type[SourceError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask({"status": "error", "code": code, "message": message}, status=status)
    assert type(caught.value) is kind
    assert code in str(caught.value)


def test_a_used_up_quota_is_not_asked_again_soon(ask: Ask, upstream: Any) -> None:
    said = {"status": "error", "code": "rateLimited", "message": "100 requests over a 24 hour period"}
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            ask(said, status=429)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("body", [[], {"status": "ok"}, {"articles": {}, "totalResults": 0}, {"articles": []}, None])
def test_another_shape_than_promised_is_malformed(ask: Ask, body: Any) -> None:
    with pytest.raises(Malformed):
        ask(body)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"queries": [" "]}, "PIPELINE_NEWSAPI__QUERIES"),
        ({"queries": ["x" * 501]}, "1 to 500 characters"),
        ({"queries": ["domain:bbc.co.uk"]}, "PIPELINE_NEWSAPI__DOMAINS"),
        ({"domains": ["https://bbc.co.uk"]}, "such as bbc.co.uk"),
        ({"headlines": ["us"]}, "such as us/business"),
        ({"headlines": ["us/politics"]}, "such as us/business"),
    ],
)
def test_settings_say_how_to_mend_them(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        newsapi.NewsApiSettings(**settings)


def test_the_defaults_fit_the_developer_plan() -> None:
    settings = newsapi.NewsApiSettings()
    asked = sum(len(stream.targets(settings)) for stream in newsapi.SOURCE.streams)
    assert newsapi.SOURCE.cadence.split()[1] == "*/3"
    assert asked * settings.requests_per_query * 24 // 3 <= (newsapi.SOURCE.budget.daily or 0)


@given(nearly([*SAMPLE_ARTICLES, *SAMPLE_HEADLINES]) | anything)
def test_no_payload_is_a_surprise(payload: Any) -> None:
    with suppress(KeyError, TypeError, ValueError):
        identify(payload)
    with suppress(*UNREADABLE):
        assert parse(payload)["document_id"] == identify(payload)[0]


@given(nearly([{"status": "error", "code": "rateLimited", "message": "no"}, listed()]) | anything)
def test_no_answer_is_a_surprise(body: Any) -> None:
    assert newsapi.diagnose(answer(json.dumps(body).encode())) is None or isinstance(body, dict)
