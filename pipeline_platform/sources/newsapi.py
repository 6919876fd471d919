"""NewsAPI.org: articles that match a query or come from a publisher, and the headlines of countries.

Every query is asked newest first, and what lies beyond its first hundred articles as a query of its own that ends
where they do: plans without further pages get there as well.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SecretStr, field_validator

from pipeline_platform.sources.base import (
    Budget,
    Credential,
    Fetch,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
)
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.newsapi_records import (
    HEADLINE_FIELDS,
    SAMPLE_ARTICLES,
    SAMPLE_HEADLINES,
    SEARCH_FIELDS,
    identify,
    parse,
)

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

log = logging.getLogger(__name__)

PAGE_SIZE = 100
LONGEST_QUERY = 500
REACH = timedelta(days=30)
"""How far back the developer plan searches."""
QUOTA_WAIT = 3600.0
"""Seconds to leave NewsAPI alone once a quota is used up: it says how large it is, and not when it begins anew."""

MORE = "Raise PIPELINE_NEWSAPI__REQUESTS_PER_QUERY, or narrow the query"

DOMAIN = "domain:"
"""What the targets that are publishers begin with."""

Language = Literal["ar", "de", "en", "es", "fr", "he", "it", "nl", "no", "pt", "ru", "sv", "ud", "zh"]
_CATEGORIES = ("business", "entertainment", "general", "health", "science", "sports", "technology")
_HEADLINES = re.compile(rf"[a-z]{{2}}/(?:{'|'.join(_CATEGORIES)})")
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")

_KEY = "PIPELINE_NEWSAPI__API_KEY"
_HOW = f"newsapi.org/register: free for development, by e-mail, then {_KEY}=..."
_ADVICE = {
    "apiKeyDisabled": f"NewsAPI disabled this key: ask for another one, then {_KEY}=...",
    "apiKeyInvalid": f"NewsAPI does not know this key: check {_KEY} ({_HOW})",
    "apiKeyMissing": f"NewsAPI wants a key: {_HOW}",
    "maximumResultsReached": "this plan of NewsAPI shows no further results",
    "parameterInvalid": "NewsAPI refuses the request: check PIPELINE_NEWSAPI__QUERIES, __DOMAINS and __HEADLINES, and "
    "choose later days if they are too far in the past for the plan",
    "parametersMissing": "NewsAPI finds nothing to search for: check PIPELINE_NEWSAPI__QUERIES and __DOMAINS",
}


class NewsApiSettings(SourceSettings):
    """Settings of NewsAPI. The defaults use four fifths of a developer plan."""

    api_key: SecretStr | None = Field(None, description="API key.")
    queries: list[str] = Field(
        ["bitcoin", '"stock market"', '"artificial intelligence"', "climate"],
        description='Queries to watch: `bitcoin`, `"stock market"`, `(solar OR wind) NOT space`.',
    )
    domains: list[str] = Field([], description="Publishers to watch whole, by the domain of their site, `bbc.co.uk`.")
    headlines: list[str] = Field(
        ["us/general", "us/business", "us/technology", "gb/general", "gb/business", "gb/science"],
        description=f"Lists of headlines to watch, `us/business`: country and one of {', '.join(_CATEGORIES)}.",
    )
    language: Language | None = Field(None, description="Search articles of one language only; all if unset.")
    requests_per_query: int = Field(
        1, ge=1, le=1000, description="Requests that a query may take, a hundred articles each, the newest first."
    )
    is_paid: bool = Field(False, description="The key is of a paid plan, which searches years instead of a month.")

    @field_validator("queries")
    @classmethod
    def _short_enough(cls, queries: list[str]) -> list[str]:
        for query in queries:
            if not query.strip() or len(query) > LONGEST_QUERY or query.startswith(DOMAIN):
                raise ValueError(
                    f"{query!r:.60} is no query: PIPELINE_NEWSAPI__QUERIES takes 1 to {LONGEST_QUERY} characters each, "
                    "and PIPELINE_NEWSAPI__DOMAINS takes publishers"
                )
        return list(dict.fromkeys(query.strip() for query in queries))

    @field_validator("domains")
    @classmethod
    def _domains_alone(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if not _DOMAIN.fullmatch(domain.lower()):
                raise ValueError(f"{domain!r} is no domain: PIPELINE_NEWSAPI__DOMAINS takes names such as bbc.co.uk")
        return list(dict.fromkeys(domain.lower() for domain in domains))

    @field_validator("headlines")
    @classmethod
    def _known_lists(cls, headlines: list[str]) -> list[str]:
        for name in headlines:
            if not _HEADLINES.fullmatch(name.lower()):
                raise ValueError(
                    f"{name!r} is no list of headlines: PIPELINE_NEWSAPI__HEADLINES takes a country of two letters "
                    f"and one of {', '.join(_CATEGORIES)}, such as us/business"
                )
        return list(dict.fromkeys(name.lower() for name in headlines))


def _searches(settings: NewsApiSettings) -> Sequence[str]:
    return [*settings.queries, *(DOMAIN + domain for domain in settings.domains)]


def _headlines(settings: NewsApiSettings) -> Sequence[str]:
    return settings.headlines


def diagnose(response: "Response") -> SourceError | None:
    """Reads NewsAPI's errors by their code, whatever the status; None where there is none."""
    body = response.json()
    code = body.get("code") if isinstance(body, Mapping) and body.get("status") != "ok" else None
    if not isinstance(code, str):
        return None
    said, status = f"{body.get('message') or 'no reason given'} ({code})", response.status
    # A developer plan names its quota of a day; any other limit is one of a short while.
    if code == "apiKeyExhausted" or (code == "rateLimited" and "24 hour" in said):
        return QuotaExhausted(f"the quota of NewsAPI is used up: {said}", status=status, wait_seconds=QUOTA_WAIT)
    if code in ("rateLimited", "unexpectedError"):
        return Transient(f"NewsAPI: {said}", status=status)
    return Permanent(f"{_ADVICE.get(code, 'NewsAPI refuses the request')}: {said}", status=status)


def _ask(fetch: Fetch[NewsApiSettings], path: str, params: Mapping[str, Any]) -> tuple["Response", list[Any], int]:
    """The answer with its articles, and how many there are altogether."""
    if fetch.settings.api_key is None:
        raise Permanent(f"NewsAPI wants a key: {_HOW}")
    headers = {"X-Api-Key": fetch.settings.api_key.get_secret_value()}
    response = fetch.client.get(path, params={**params, "pageSize": PAGE_SIZE}, headers=headers)
    body = response.json()
    articles, total = (body.get("articles"), body.get("totalResults")) if isinstance(body, Mapping) else (None, None)
    if not isinstance(articles, list) or not isinstance(total, int):
        raise Malformed(f"{response.url} answered without articles and their number", status=response.status)
    return response, articles, total


def _record(payload: dict[str, Any]) -> Record:
    try:
        return Record(*identify(payload), payload)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)  # too broken to tell: kept, and quarantine says why


def _within_reach(fetch: Fetch[NewsApiSettings]) -> None:
    earliest = fetch.now - REACH
    if not fetch.settings.is_paid and fetch.window.start < earliest:
        raise Permanent(
            f"the developer plan of NewsAPI searches one month: {fetch.window.start:%Y-%m-%d} is too early, choose a "
            f"day from {earliest + timedelta(days=1):%Y-%m-%d} on, or set PIPELINE_NEWSAPI__IS_PAID for a paid key"
        )


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _what(settings: NewsApiSettings, target: str) -> dict[str, str]:
    what = {"domains": target.removeprefix(DOMAIN)} if target.startswith(DOMAIN) else {"q": target}
    return what | ({"language": settings.language} if settings.language else {})


def fetch_everything(fetch: Fetch[NewsApiSettings], target: str) -> Iterator[Page]:
    """Articles of the window, newest first, a page per hundred, as many as `requests_per_query` allows.

    Articles whose time cannot be believed are kept wherever they come; quarantine says what is wrong with them.
    """
    _within_reach(fetch)
    asked = {"language": fetch.settings.language} if fetch.settings.language else {}
    # Both ends belong to the range of NewsAPI.
    start, end = fetch.window.start, fetch.window.end - timedelta(seconds=1)
    seen: set[str | None] = set()
    for left in reversed(range(fetch.settings.requests_per_query)):
        params = {**_what(fetch.settings, target), "sortBy": "publishedAt", "from": _iso(start), "to": _iso(end)}
        response, articles, total = _ask(fetch, "everything", params)
        records = [_record({**asked, "article": article}) for article in articles]
        yield Page.of(response, [one for one in records if one.record_id is None or one.record_id not in seen])
        if total <= len(articles):
            return
        if not left:
            missed = total - len(articles)
            log.warning("%s: %d more articles up to %s were not asked for. %s", target, missed, _iso(end), MORE)
            return
        seen = {one.record_id for one in records}
        moments = [one.event_time for one in records if one.event_time is not None and start <= one.event_time < end]
        if moments:
            # The second of the oldest once more: others of it may have been cut off.
            end = min(moments)
        else:
            log.warning("%s: more articles at %s than NewsAPI shows of one second", target, _iso(end))
            end -= timedelta(seconds=1)


def fetch_headlines(fetch: Fetch[NewsApiSettings], target: str) -> Iterator[Page]:
    """One page: the headlines of a country and category now."""
    country, _, category = target.partition("/")
    response, articles, _ = _ask(fetch, "top-headlines", {"country": country, "category": category})
    payloads = [{"country": country, "category": category, "article": article} for article in articles]
    yield Page.of(response, [_record(payload) for payload in payloads])


SOURCE = Source(
    name="newsapi",
    title="NewsAPI.org",
    domain="news",
    homepage="https://newsapi.org",
    api_docs="https://newsapi.org/docs",
    licence="NewsAPI.org terms; articles belong to their publishers",
    terms=(
        "The free developer plan is for development and testing, not for production. Articles belong to their "
        "publishers: show them with a link, and name NewsAPI.org. What was removed comes back as [Removed], without "
        "its address; what a publisher asks to have removed has to be deleted by its address."
    ),
    base_url="https://newsapi.org/v2",
    credentials=(Credential("api_key", _HOW),),
    # The developer plan: 100 a day, given out as 50 in 12 hours.
    budget=Budget(requests=60, per_seconds=60, daily=100),
    # Eight times ten requests, with the lists watched by default.
    cadence="25 */3 * * *",
    concurrency=2,
    settings=NewsApiSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="newsapi_everything",
            kind="documents",
            description="Articles that match the watched queries or come from the watched publishers.",
            history="replayable",
            # The developer plan shows articles a day late.
            lookback_days=3,
            targets=_searches,
            fetch=fetch_everything,
            identify=identify,
            parse=parse,
            fields=SEARCH_FIELDS,
            sample=Sample("ferries", SAMPLE_ARTICLES),
            max_pages=1000,
        ),
        Stream(
            name="newsapi_headlines",
            kind="documents",
            description="Headlines of the watched countries and categories.",
            history="now_only",
            lookback_days=2,
            targets=_headlines,
            fetch=fetch_headlines,
            identify=identify,
            parse=parse,
            fields=HEADLINE_FIELDS,
            sample=Sample("gb/general", SAMPLE_HEADLINES),
        ),
    ),
)
