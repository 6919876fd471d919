"""GDELT: articles of the DOC 2.0 search, and the 15-minute files of events, mentions and annotations.

The search has no pages. It gives the newest 250 articles of a time range, so the range ends, time after time, where
the last answer ended, until an answer is not full.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline_platform.sources import gdelt_samples as samples
from pipeline_platform.sources.base import Budget, Fetch, Page, Record, Source, SourceSettings, Stream
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError
from pipeline_platform.sources.gdelt_files import (
    EXPORT,
    GKG,
    KINDS,
    MENTIONS,
    SLOTS_A_DAY,
    FileKind,
    checked,
    fetch_files,
    most_files,
    read_list,
)
from pipeline_platform.sources.gdelt_records import (
    identify_annotation,
    identify_article,
    identify_event,
    identify_mention,
    parse_annotation,
    parse_article,
    parse_event,
    parse_mention,
)

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

# Not JSON alone: the client would refuse the bodies that `read_search` mends.
ACCEPT = "application/json, */*;q=0.5"
MOST_RECORDS = 250
FIRST_ARTICLE = datetime(2017, 1, 1, tzinfo=UTC)
PROMISED = timedelta(days=90)
"""GDELT promises to search the last three months; of what is older it gives what it gives."""
SHORTEST_RANGE = timedelta(hours=1)
"""Shorter ranges are refused with "Timespan is too short."; a part of one costs articles that we have already."""
CONTROL = "news"
"""Something that is in the news of every hour."""
SILENCE = 1800.0
"""Seconds without a request after "Please limit requests": asking on, however slowly, keeps the lock-out alive."""

_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
_THROTTLED = re.compile(r"limit\s+(?:your\s+)?requests|one every \d+ seconds|too many requests", re.IGNORECASE)
_REFUSED = re.compile(
    r"\b(?:query|quer\w+|phrase|keyword|domain|timespan|date|maximum|invalid|unsupported|parenthes\w+|surrounded)\b",
    re.IGNORECASE,
)


class EmptyBodyError(Malformed):
    """A search answered nothing at all, as GDELT does where nothing matches, and a broken server as well."""


class GdeltSettings(SourceSettings):
    """Settings of GDELT."""

    queries: list[str] = Field(
        ['"central bank" domainis:theguardian.com', "bitcoin domainis:cnbc.com", '"extreme weather" domainis:bbc.com'],
        description="Searches of the DOC API, with its operators. Narrow ones: every 250 articles cost a request, and "
        "about 60 requests in 90 minutes lead to a lock-out.",
    )
    editions: list[Literal["english", "translingual"]] = Field(
        ["english"], description="Editions of the 15-minute files: `english`, `translingual`."
    )
    files_per_day: int = Field(
        4,
        ge=1,
        le=SLOTS_A_DAY,
        description="15-minute files of a UTC day that are fetched, evenly spread from midnight, per table and "
        "edition. A divisor of 96; 96 is all of them, about 100,000 events and 3 GB of raw annotations a day.",
    )
    files: list[str] = Field(
        [], description="Single files to fetch whatever the day, by name: `20150218230000.export.CSV.zip`."
    )
    files_url: str = Field(
        "http://data.gdeltproject.org/gdeltv2",
        description="Where the 15-minute files lie: an address, or a path relative to the base URL.",
    )

    @field_validator("queries")
    @classmethod
    def _can_be_searched(cls, queries: list[str]) -> list[str]:
        for query in queries:
            if len(query.strip()) < 3:
                raise ValueError(f"PIPELINE_GDELT__QUERIES: {query!r} is too short, GDELT wants three letters or more")
            if " OR " in query and "(" not in query:
                raise ValueError(f"PIPELINE_GDELT__QUERIES: put the words joined by OR into parentheses in {query!r}")
        return list(dict.fromkeys(query.strip() for query in queries))

    @field_validator("files_per_day")
    @classmethod
    def _divides_the_day(cls, number: int) -> int:
        if SLOTS_A_DAY % number:
            raise ValueError(f"PIPELINE_GDELT__FILES_PER_DAY: {number} does not divide {SLOTS_A_DAY}; try 4, 24 or 96")
        return number

    @field_validator("files")
    @classmethod
    def _are_files(cls, files: list[str]) -> list[str]:
        for name in files:
            if "/" in name or not any(_is_of(kind, name) for kind in KINDS):
                endings = ", ".join(kind.ending for kind in KINDS)
                raise ValueError(f"PIPELINE_GDELT__FILES: {name!r} is no name of a file; it must end in {endings}")
        return files


def _is_of(kind: FileKind, name: str) -> bool:
    return name.endswith("." + kind.ending)


def diagnose(response: "Response") -> SourceError | None:
    """Reads errors in plain text, with status 200 too, and bodies that were lost on the way."""
    try:
        return _problem(response)
    except Malformed as error:
        # Returned, since the client asks again for what is diagnosed, and not for what a diagnosis fails on.
        return error


def _problem(response: "Response") -> SourceError | None:
    ending = PurePosixPath(urlsplit(response.url).path).suffix
    if response.status == 200 and ending == ".zip":
        checked(response)
    elif response.status == 200 and ending == ".txt":
        read_list(response.text)
    elif response.status in (200, 429):
        return _said(response)
    return None


def _said(response: "Response") -> SourceError | None:
    body = response.content.strip()
    if not body and response.status == 200:
        return EmptyBodyError(f"{response.url} answered an empty body", status=200)
    text = " ".join(body[:1000].decode("utf-8", "replace").split())[:200]
    prose = body[:1] not in (b"{", b"[", b"<")
    if _THROTTLED.search(text) and (prose or response.status == 429):
        return QuotaExhausted(
            f"GDELT locks us out for some time, and asking on would prolong it: {text}",
            status=response.status,
            wait_seconds=SILENCE,
        )
    if response.status != 200:
        return None
    if prose and _REFUSED.search(text):
        return Permanent(
            f"GDELT refuses the search: {text} Check PIPELINE_GDELT__QUERIES; GDELT says this under load as well",
            status=200,
        )
    read_search(response)
    return None


def read_search(response: "Response") -> list[Any]:
    """The articles of an answer; `{}` says that there are none.

    GDELT copies backslashes and control characters of titles into its JSON as they are. These two defects are mended,
    so that the title reads as it was; nothing else is.

    Raises:
        Malformed: the body is no answer to a search.
    """
    try:
        body = response.json()
    except Malformed:
        mended = _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else rb"\\", response.content)
        body = _loads_with_controls(response, mended)
    articles = body.get("articles") if isinstance(body, Mapping) else body
    if articles is None and body == {}:
        return []
    if not isinstance(articles, list):
        raise Malformed(f"{response.url} answered JSON without a list of articles", status=response.status)
    return articles


def _loads_with_controls(response: "Response", body: bytes) -> Any:
    try:
        return json.loads(body, strict=False)
    except (ValueError, RecursionError):
        start = " ".join(body[:80].decode("utf-8", "replace").split())
        raise Malformed(f"{response.url} answered no JSON, but {start!r}…", status=response.status) from None


def fetch_articles(fetch: Fetch[GdeltSettings], target: str) -> Iterator[Page]:
    """The articles of a search that were seen in the window, newest first, in pages of 250.

    Raises:
        Permanent: the window lies before GDELT's search, or too much was published at once to be had.
        Malformed: an answer is no answer, or not in the order that was asked for.
    """
    start, end = max(fetch.window.start, FIRST_ARTICLE), min(fetch.window.end, fetch.now)
    if fetch.window.end <= FIRST_ARTICLE:
        raise Permanent(f"GDELT searches articles from {FIRST_ARTICLE:%Y-%m-%d} on")
    promised = fetch.now - PROMISED
    beyond, crowded = start >= promised, []
    while start < end:
        page, moments = _search(fetch, target, min(start, end - SHORTEST_RANGE), end)
        yield page
        beyond = beyond or any(moment < promised for moment in moments)
        if len(page.records) < MOST_RECORDS:
            break
        oldest = _oldest(target, [moment for moment in moments if moment < end])
        # The articles of the oldest moment may be more than those that still fitted in.
        following = oldest + timedelta(seconds=1)
        if following >= end:
            crowded.append(oldest)
            following = oldest
        end = following
    if crowded:
        raise Permanent(
            f"{target}: GDELT saw {MOST_RECORDS} articles or more at {crowded[-1]:%Y-%m-%d %H:%M} "
            f"({len(crowded)} such moments) and gives no more; make the query narrower"
        )
    if not beyond and start < end:
        raise Permanent(
            f"{target}: nothing came from before {promised:%Y-%m-%d}; GDELT promises the last three months alone, so "
            "that need not mean that there was nothing"
        )


def _oldest(target: str, moments: list[datetime]) -> datetime:
    if not moments or moments != sorted(moments, reverse=True):
        raise Malformed(f"{target}: GDELT's answer is not in the order of time, so what follows cannot be asked for")
    return moments[-1]


def _search(fetch: Fetch[GdeltSettings], query: str, start: datetime, end: datetime) -> tuple[Page, list[datetime]]:
    try:
        response = _ask(fetch, query, start, end, MOST_RECORDS)
    except EmptyBodyError:
        # Nothing matched, or nothing works: what surely has an answer tells one from the other.
        control = _ask(fetch, CONTROL, start, end, 1)
        if not read_search(control):
            raise
        return Page.of(control, []), []
    records = []
    for article in read_search(response):
        try:
            records.append(Record(*identify_article(article), article))
        except (KeyError, TypeError, ValueError):
            records.append(Record(None, None, article))
    return Page.of(response, records), [record.event_time for record in records if record.event_time]


def _ask(fetch: Fetch[GdeltSettings], query: str, start: datetime, end: datetime, most: int) -> "Response":
    params = {
        "query": query,
        "mode": "ArtList",
        "format": "json",
        "sort": "DateDesc",
        "maxrecords": most,
        "startdatetime": f"{start:%Y%m%d%H%M%S}",
        "enddatetime": f"{end - timedelta(seconds=1):%Y%m%d%H%M%S}",
    }
    # Every request names another second, so an answer kept for a conditional request is never asked for again.
    return fetch.client.get("doc/doc", params=params, headers={"Accept": ACCEPT}, conditional=False)


def _queries(settings: GdeltSettings) -> Sequence[str]:
    return settings.queries


def _files(kind: FileKind, settings: GdeltSettings) -> Sequence[str]:
    return [*settings.editions, *(name for name in settings.files if _is_of(kind, name))]


SOURCE = Source(
    name="gdelt",
    title="GDELT",
    domain="news",
    homepage="https://www.gdeltproject.org",
    api_docs="https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/",
    licence="GDELT terms of use: free for any use, with citation",
    terms="May be kept and passed on for any purpose, with a citation of the GDELT Project and a link to "
    "https://www.gdeltproject.org. The linked articles and pictures belong to their publishers and are not covered. "
    "Nothing has to be deleted afterwards.",
    base_url="https://api.gdeltproject.org/api/v2",
    credentials=(),
    # One request in five seconds is allowed; a little slower, because the penalty for more lasts for long.
    budget=Budget(requests=10, per_seconds=60.0),
    cadence="25 */3 * * *",
    settings=GdeltSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="gdelt_articles",
            kind="documents",
            description="Titles of the articles that match the queries, dated by when GDELT saw them.",
            history="replayable",
            lookback_days=2,
            targets=_queries,
            fetch=fetch_articles,
            identify=identify_article,
            parse=parse_article,
            fields=samples.ARTICLE_FIELDS,
            sample=samples.ARTICLES,
        ),
        Stream(
            name="gdelt_events",
            kind="news_events",
            description="Who did what to whom and where, read from news by GDELT: a sample of the 15-minute files.",
            history="replayable",
            lookback_days=2,
            targets=partial(_files, EXPORT),
            fetch=partial(fetch_files, kind=EXPORT, identify=identify_event),
            identify=identify_event,
            parse=parse_event,
            fields=samples.EVENT_FIELDS,
            sample=samples.EVENTS,
            max_pages=most_files,
        ),
        Stream(
            name="gdelt_mentions",
            kind="news_mentions",
            description="Documents that mention the events: a sample of the 15-minute files.",
            history="replayable",
            lookback_days=2,
            targets=partial(_files, MENTIONS),
            fetch=partial(fetch_files, kind=MENTIONS, identify=identify_mention),
            identify=identify_mention,
            parse=parse_mention,
            fields=samples.MENTION_FIELDS,
            sample=samples.MENTIONS,
            max_pages=most_files,
        ),
        Stream(
            name="gdelt_annotations",
            kind="news_annotations",
            description="Themes, tone, people and places of documents (GKG 2.1): a sample of the 15-minute files.",
            history="replayable",
            lookback_days=2,
            targets=partial(_files, GKG),
            fetch=partial(fetch_files, kind=GKG, identify=identify_annotation),
            identify=identify_annotation,
            parse=parse_annotation,
            fields=samples.ANNOTATION_FIELDS,
            sample=samples.ANNOTATIONS,
            max_pages=most_files,
        ),
    ),
)
