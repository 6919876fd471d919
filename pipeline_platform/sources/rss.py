"""RSS: the entries of any list of feeds (RSS, Atom, CDF, JSON Feed), also imported from OPML.

Formats are read by `feeds`, entries by `rss_records`; this file says which feeds there are and how they are fetched.
`ttl`, `skipHours` and `skipDays` are not waited for: asking again costs a conditional request that is answered 304.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import listparser
from pydantic import Field, ValidationInfo, field_validator

from pipeline_platform.sources.base import Budget, Fetch, Page, Source, SourceSettings, Stream
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.feeds import lost_on_the_way, read_feed
from pipeline_platform.sources.rss_records import FIELDS, SAMPLE, identify, parse, records_of
from pipeline_platform.sources.texts import web_address

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

# No mention of JSON: the client would take it for a promise. JSON Feed comes by the wildcard.
ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml, text/xml, */*;q=0.8"
OPML = "opml:"


def feeds_of_opml(document: bytes) -> list[str]:
    """Addresses of the feeds of an OPML (or FOAF, iGoogle) document, nested outlines included, in order.

    Raises:
        ValueError: it cannot be read, or lists no feed.
    """
    try:
        # Bytes, since listparser opens a text that begins like an address.
        listed = listparser.parse(document)
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"the OPML cannot be read: {type(error).__name__}: {error}") from error
    found = list(dict.fromkeys(feed["url"] for feed in listed["feeds"]))
    if not found:
        raise ValueError("the OPML lists no feed: no outline has an xmlUrl")
    return found


def feeds_of_inbox(folder: Path) -> tuple[dict[Path, list[str]], dict[Path, str]]:
    """Feeds of the files in a folder, and what is wrong with those that cannot be read; both by file name.

    A file that cannot be read must not take the feeds of the others with it.
    """
    feeds: dict[Path, list[str]] = {}
    problems: dict[Path, str] = {}
    for path in inbox_files(folder):
        try:
            listed = feeds_of_opml(path.read_bytes()) if path.suffix.lower() == ".opml" else _lines(path)
        except (OSError, ValueError) as error:
            problems[path] = str(error)
            continue
        # Addresses are shown, so that one with a password is not taken.
        feeds[path] = [feed for feed in listed if web_address(feed) and urlsplit(feed).username is None]
        if refused := len(listed) - len(feeds[path]):
            problems[path] = f"{refused} lines are no address of a feed, or hold a password"
    return feeds, problems


def inbox_files(folder: Path) -> list[Path]:
    """The OPML files and lists in a folder, by name; none where there is no folder."""
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(path for path in found if path.suffix.lower() in (".opml", ".txt") and path.is_file())


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


class RssSettings(SourceSettings):
    """Settings of the feeds. Their addresses show in logs, record ids and dead letters: none may hold a password."""

    feeds: list[str] = Field(
        [
            "https://feeds.bbci.co.uk/news/world/rss.xml",
            "https://www.theguardian.com/world/rss",
            "https://feeds.npr.org/1001/rss.xml",
            "https://feeds.arstechnica.com/arstechnica/index",
            "https://hnrss.org/frontpage",
        ],
        description="Addresses of feeds, or paths relative to the base URL.",
    )
    opml: str | None = Field(None, description="OPML file, or the address of one, whose feeds are watched as well.")

    inbox: str | None = Field(
        None,
        description="Folder of OPML files (.opml) and lists of addresses (.txt, one a line) whose feeds are watched as "
        "well; `pipeline-platform` sets it to `inbox` of its folder.",
    )

    @field_validator("feeds")
    @classmethod
    def _can_be_asked(cls, feeds: list[str], info: ValidationInfo) -> list[str]:
        for feed in feeds:
            if not web_address(feed) and (":" in feed.split("/")[0] or not info.data.get("base_url")):
                raise ValueError(f"{feed!r} is no address; write https://… or set the base URL that it is relative to")
            if urlsplit(feed).username is not None:
                raise ValueError("a feed address holds a user name; addresses are shown, so give none with a password")
        return feeds

    @field_validator("opml")
    @classmethod
    def _can_be_read(cls, opml: str | None) -> str | None:
        if opml and not web_address(opml):
            try:
                feeds_of_opml(Path(opml).read_bytes())
            except OSError as error:
                raise ValueError(f"cannot read {opml!r}: {error.strerror}; give a file or https://…") from None
        return opml or None


def targets(settings: RssSettings) -> Sequence[str]:
    """Feeds of the settings and of a local OPML file; an OPML that must be fetched is one target, `opml:<address>`."""
    found = list(settings.feeds)
    if settings.opml and web_address(settings.opml):
        found.append(OPML + settings.opml)
    elif settings.opml:
        found += feeds_of_opml(Path(settings.opml).read_bytes())
    if settings.inbox:
        found += [feed for feeds in feeds_of_inbox(Path(settings.inbox))[0].values() for feed in feeds]
    return list(dict.fromkeys(found))


def fetch(fetch: Fetch[RssSettings], target: str) -> Iterator[Page]:
    """The entries that a feed shows now, as one page; for OPML one page per feed.

    Raises:
        SourceError: the feed cannot be had, or is none. A feed of an OPML that fails does not keep the others from
            being fetched; the error at the end names every one that failed.
    """
    if target.startswith(OPML):
        yield from _fetch_list(fetch, target.removeprefix(OPML))
    else:
        yield _fetch_feed(fetch, target)


def diagnose(response: "Response") -> SourceError | None:
    """Reads bodies that were lost on the way, so that they are asked for again and never kept."""
    problem = lost_on_the_way(response.content) if response.status == 200 else None
    return Malformed(f"{response.url}: {problem}", status=200) if problem else None


def _fetch_feed(fetch: Fetch[RssSettings], address: str) -> Page:
    try:
        response = fetch.client.get(address, headers={"Accept": ACCEPT})
    except Permanent as error:
        if error.status != 410:
            raise
        raise Permanent(f"the feed {address} is gone for good (410); take it off the watch list", status=410) from error
    try:
        feed = read_feed(response.content, url=response.url, content_type=response.headers.get("content-type", ""))
    except Malformed as error:
        raise Malformed(f"{address}: {error}", status=response.status) from error
    return Page.of(response, records_of(feed, _name(address, fetch.settings.base_url)))


def _fetch_list(fetch: Fetch[RssSettings], address: str) -> Iterator[Page]:
    response = fetch.client.get(address, headers={"Accept": "text/x-opml, application/xml, text/xml, */*;q=0.8"})
    try:
        listed = feeds_of_opml(response.content)
    except ValueError as error:
        raise Malformed(f"{address}: {error}", status=response.status) from error
    failed: dict[str, SourceError] = {}
    for feed in dict.fromkeys(urljoin(response.url, feed) for feed in listed):
        try:
            yield _fetch_feed(fetch, feed)
        except SourceError as error:
            failed[feed] = error
    if failed:
        named = "; ".join(f"{feed}: {type(error).__name__}: {error}" for feed, error in failed.items())
        kinds = {type(error) for error in failed.values()}
        # One kind for all: what may pass for one of them is worth another try.
        kind = kinds.pop() if kinds in ({Permanent}, {Malformed}) else Transient
        raise kind(f"{len(failed)} of {len(listed)} feeds of {address} failed: {named}")


def _name(address: str, base_url: str | None) -> str:
    """What a feed is called: host and path, or the path alone if it lies under the base URL, which may move."""
    if base_url and address.startswith(base_url.rstrip("/") + "/"):
        address = address[len(base_url.rstrip("/")) :]
    return re.sub(r"^https?://", "", address, flags=re.IGNORECASE).strip("/")


SOURCE = Source(
    name="rss",
    title="RSS, Atom and JSON feeds",
    domain="news",
    homepage="https://www.rssboard.org/",
    api_docs="https://www.rssboard.org/rss-specification",
    licence="Per publisher; usually all rights reserved.",
    terms=(
        "Title, link and text may be kept for personal or internal use; link to the publisher when showing them, and "
        "remove what a publisher asks to have removed."
    ),
    base_url="https://www.rssboard.org/",
    credentials=(),
    budget=Budget(requests=120, per_seconds=60),
    cadence="*/15 * * * *",
    concurrency=8,
    settings=RssSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="rss_articles",
            kind="documents",
            description="Entries of the watched feeds.",
            history="now_only",
            lookback_days=3,
            targets=targets,
            fetch=fetch,
            identify=identify,
            parse=parse,
            fields=FIELDS,
            sample=SAMPLE,
            max_pages=10_000,
        ),
    ),
)
