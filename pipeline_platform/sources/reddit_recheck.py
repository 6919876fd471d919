"""Posts and comments that we hold, as Reddit shows them now: what it removed must be removed here.

https://www.reddit.com/dev/api#GET_api_info
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline_platform.sources.base import Fetch, Known, Page, Record
from pipeline_platform.sources.reddit_listings import connection_of, listed, page_of, record_of
from pipeline_platform.sources.reddit_records import (
    fullname_of,
    identify_comment,
    identify_post,
    payload_of_missing,
)
from pipeline_platform.sources.reddit_settings import RedditSettings

_AT_ONCE = 100
"""Fullnames that one request may name."""

_PATH = "api/info"


def recheck(fetch: Fetch[RedditSettings], known: Sequence[Known]) -> Iterator[Page]:
    """The records of `known` as they are now; those that Reddit leaves out come without content, marked as gone.

    Records without a fullname, too broken to be named when they came, cannot be asked for and are left out.
    """
    connection = connection_of(fetch)
    askable = [one for one in known if _has_fullname(one)]
    for held in (askable[start : start + _AT_ONCE] for start in range(0, len(askable), _AT_ONCE)):
        params: dict[str, str | int] = {"id": ",".join(fullname_of(one.record_id) for one in held)}
        children, _ = listed(connection.ask(_PATH, params), _PATH)
        records = [record_of(child, _identify) for child in children]
        shown = {record.record_id for record in records}
        # One that cannot be read may be any of those that seem to be missing: none of them is given up for it.
        gone = [] if None in shown else [_gone(one) for one in held if one.record_id not in shown]
        present = [record for record in records if record.record_id is not None]
        yield page_of(fetch, connection, [*present, *gone], params)


def _has_fullname(one: Known) -> bool:
    try:
        return bool(fullname_of(one.record_id))
    except ValueError:
        return False


def _identify(payload: Any) -> tuple[str, Any]:
    is_comment = isinstance(payload, Mapping) and str(payload.get("name")).startswith("t1_")
    return (identify_comment if is_comment else identify_post)(payload)


def _gone(one: Known) -> Record:
    return Record(one.record_id, one.event_time, payload_of_missing(one.record_id, one.event_time, one.payload))
