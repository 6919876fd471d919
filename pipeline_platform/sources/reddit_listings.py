"""Reddit, page by page: newest posts and comments of watched subreddits, trees of comments, searches, through PRAW.

Wire format of listings and things: https://www.reddit.com/dev/api. Limits and the duty to delete:
https://support.reddithelp.com/hc/en-us/articles/16160319875092. What was deleted or removed is kept without content
and author, also where Reddit goes on to show them; what is held is checked again after a day, for a week.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pipeline_platform import __version__
from pipeline_platform.sources.base import Fetch, Page, Record
from pipeline_platform.sources.client import SANDBOX_HEADER
from pipeline_platform.sources.errors import Malformed, Permanent
from pipeline_platform.sources.listing import ends_before, wanted
from pipeline_platform.sources.reddit_praw import CREDENTIALS, Connection, connect
from pipeline_platform.sources.reddit_records import identify_post, without_what_is_gone
from pipeline_platform.sources.reddit_settings import RedditSettings

Identify = Callable[[Any], tuple[str, datetime | None]]

log = logging.getLogger(__name__)

PAGE_SIZE = 100
_LISTING_END = 1000
"""Items after which a listing of Reddit ends, whatever it is asked."""

HOW = "reddit.com/prefs/apps: create an app of type script; Reddit approves new apps by hand, so ask in good time"


def connection_of(fetch: Fetch[RedditSettings]) -> Connection:
    """PRAW, signed in with the credentials of the settings.

    Raises:
        Permanent: there are none.
    """
    settings = fetch.settings
    if settings.client_id is None or settings.client_secret is None:
        raise Permanent(f"Reddit needs credentials: set {CREDENTIALS} ({HOW})")
    return connect(
        fetch.client,
        settings.base_url.rstrip("/") if settings.base_url else None,
        settings.client_id.get_secret_value(),
        settings.client_secret.get_secret_value(),
        settings.user_agent or f"{sys.platform}:pipeline-platform:{__version__} (self-hosted data platform)",
    )


def listed(body: Any, path: str) -> tuple[list[Any], str | None]:
    """Children of a listing, and the fullname that its next page comes after.

    Raises:
        Malformed: `body`, the answer to `path`, is no listing.
    """
    data = body.get("data") if isinstance(body, Mapping) and body.get("kind") == "Listing" else None
    if not isinstance(data, Mapping) or not isinstance(data.get("children"), list):
        raise Malformed(f"{path} gave no listing", status=200)
    after = data.get("after")
    if after is not None and not isinstance(after, str):
        raise Malformed(f"{path} names no fullname as its next page but {after!r:.40}", status=200)
    return data["children"], after or None


def record_of(child: Any, identify: Identify) -> Record:
    """The record of a thing; nothing of its content if it was deleted or removed."""
    payload = child["data"] if isinstance(child, Mapping) and isinstance(child.get("data"), Mapping) else child
    try:
        return Record(*identify(payload), without_what_is_gone(payload))
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)


def page_of(
    fetch: Fetch[RedditSettings],
    connection: Connection,
    records: list[Record],
    params: Mapping[str, str | int],
    method: str = "GET",
) -> Page:
    """`records` as the page that the newest answer of `connection` gave."""
    answer = connection.answers[-1]
    address = fetch.client.redactor.text(answer.url.partition("?")[0])
    return Page(
        records=records,
        request={"method": method, "url": address, "params": dict(params)},
        from_sandbox=SANDBOX_HEADER in answer.headers,
    )


def believed(record: Record, now: datetime) -> datetime | None:
    """The time of a record, None where it has none or one that is still to come."""
    return record.event_time if record.event_time is not None and record.event_time <= now else None


def listing_pages(
    fetch: Fetch[RedditSettings],
    path: str,
    identify: Identify,
    *,
    query: Mapping[str, str | int] | None = None,
    newest_first: bool = True,
) -> Iterator[Page]:
    """Pages of a listing until it ends, or until one ends before the window where it is sorted from new to old."""
    connection = connection_of(fetch)
    params: dict[str, str | int] = {**(query or {}), "limit": PAGE_SIZE}
    seen = 0
    while True:
        children, after = listed(connection.ask(path, params), path)
        records = [record_of(child, identify) for child in children]
        yield page_of(fetch, connection, list(wanted(records, fetch)), params)
        seen += len(children)
        if newest_first and ends_before(records, fetch):
            return
        if after is None or seen >= _LISTING_END:
            if newest_first and seen >= _LISTING_END - PAGE_SIZE:
                log.warning(
                    "%s reaches back %d items, which does not cover the window; fetch it more often", path, seen
                )
            return
        if after == params.get("after"):
            raise Malformed(f"{path} names {after} as the page after itself", status=200)
        params["after"] = after


def fetch_posts(fetch: Fetch[RedditSettings], target: str) -> Iterator[Page]:
    """Posts of a subreddit in the window, as far as the listing reaches back."""
    yield from listing_pages(fetch, f"r/{target}/new", identify_post)


def fetch_search(fetch: Fetch[RedditSettings], target: str) -> Iterator[Page]:
    """Posts in the window that a search of the settings finds.

    Raises:
        Permanent: no search of the settings has the name `target`.
    """
    search = next((search for search in fetch.settings.searches if search.target == target), None)
    if search is None:
        raise Permanent(f"{target!r} is none of PIPELINE_REDDIT__SEARCHES")
    query: dict[str, str | int] = {"q": search.query, "sort": search.sort, "type": "link"}
    path = "search"
    if search.subreddit:
        # Without `restrict_sr` the search of a subreddit finds posts of all the others.
        path, query["restrict_sr"] = f"r/{search.subreddit}/search", 1
    yield from listing_pages(fetch, path, identify_post, query=query, newest_first=search.sort == "new")
