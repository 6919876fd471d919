"""Mastodon: local timelines and tags of watched instances, and the tags that trend there, without an account.

Endpoints: https://docs.joinmastodon.org/methods/timelines/, /methods/trends/ and /methods/statuses/. Other software of
the Fediverse that speaks them can be watched as well. Every instance is a server of its own, with its own limit, and
may show its timelines to members alone.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
from pydantic import Field, field_validator

from pipeline_platform.sources.base import Budget, Fetch, Known, Page, Record, Sample, Source, SourceSettings, Stream
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.listing import ends_before, named, wanted
from pipeline_platform.sources.mastodon_records import (
    SAMPLE_DELETED,
    SAMPLE_STATUS,
    SAMPLE_TREND,
    gone,
    identify_status,
    identify_trend,
    parse_status,
    parse_trend,
    wanted_by_its_author,
)

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

log = logging.getLogger(__name__)

WATCH_LIST = "PIPELINE_MASTODON__WATCH"
PAGE_SIZE = 40
STATUSES_AT_ONCE = 20
TRENDS_AT_MOST = 20

_INSTANCE = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*(?::\d{1,5})?")
_TAG = re.compile(r"[^\s#/?&]{1,200}")
_FORMS = '{"instance": "mastodon.social", "timeline": "local"} or {"instance": "mastodon.social", "tag": "news"}'


class MastodonSettings(SourceSettings):
    """Settings of Mastodon; there is no credential."""

    watch: list[dict[str, str]] = Field(
        [
            {"instance": "fosstodon.org", "timeline": "local"},
            {"instance": "mastodon.social", "tag": "news"},
            {"instance": "mastodon.social", "tag": "technology"},
            {"instance": "mastodon.social", "tag": "weather"},
        ],
        description=f"What to watch: `{_FORMS.replace(' or ', '` or `')}`. Some instances show their timelines to "
        "members alone. With a base URL, `<instance>/api/…` is asked for below it.",
    )
    pages: int = Field(
        50, ge=1, le=400, description="Pages of 40 statuses to read of a timeline at most; the rest is left out."
    )
    opted_in_only: bool = Field(False, description="Keep nothing of accounts that did not agree to be searched.")
    bots: bool = Field(True, description="Keep statuses of accounts that say they are bots.")

    @field_validator("watch")
    @classmethod
    def _can_be_asked(cls, watch: list[dict[str, str]]) -> list[dict[str, str]]:
        for one in watch:
            if (
                set(one) not in ({"instance", "timeline"}, {"instance", "tag"})
                or one.get("timeline", "local") != "local"
            ):
                raise ValueError(f"{one} is nothing to watch; write {_FORMS}")
            if not _INSTANCE.fullmatch(one["instance"]):
                raise ValueError(f"{one['instance']!r} is no instance; write its host name alone, like mastodon.social")
            if "tag" in one and not _TAG.fullmatch(one["tag"]):
                raise ValueError(f"{one['tag']!r} is no tag; write it without #")
        return watch


def targets(settings: MastodonSettings) -> Sequence[str]:
    """`<instance> #<tag>` or `<instance> local`.

    Local timelines come last: a status that several targets show is kept as its own instance gives it.
    """
    tags = [f"{one['instance']} #{one['tag']}" for one in settings.watch if "tag" in one]
    local = [f"{one['instance']} local" for one in settings.watch if "tag" not in one]
    return list(dict.fromkeys([*tags, *local]))


def instances(settings: MastodonSettings) -> Sequence[str]:
    """The watched instances."""
    return list(dict.fromkeys(one["instance"] for one in settings.watch))


def diagnose(response: "Response") -> SourceError | None:
    """Reads `{"error": words}`, and refusals of instances that are closed to visitors.

    Timelines that are switched off answer 401, or 422 before Mastodon 4.5; without authentication neither can mean
    anything else.
    """
    status = response.status
    if status not in (200, 401, 403, 404, 422):
        return None
    try:
        body = response.json()
    except Malformed:
        body = None
    said = body.get("error") if isinstance(body, Mapping) else None
    if status == 200:
        return Transient(f"{response.url} answered with an error ({said})", status=status) if said else None
    named = f"{status}{f', {said}' if said else ''}"
    if status == 404:
        return Permanent(
            f"{response.url} does not exist ({named}): no Mastodon is there; check {WATCH_LIST}", status=404
        )
    return Permanent(
        f"{response.url} is not shown to visitors ({named}); take it off {WATCH_LIST}, or watch another instance",
        status=status,
    )


def _get(fetch: Fetch[MastodonSettings], instance: str, path: str, params: Mapping[str, Any]) -> "Response":
    place = instance if fetch.settings.base_url else f"https://{instance}"
    return fetch.client.get(f"{place}/api/{path}", params=params)


def _list(response: "Response") -> list[Any]:
    body = response.json()
    if not isinstance(body, list):
        raise Malformed(f"{response.url} gave no list but {type(body).__name__}", status=response.status)
    return body


def _next_page(response: "Response") -> str | None:
    """`max_id` of the next page (RFC 8288). Not its address, which is the one of the instance behind a proxy."""
    link = httpx.Response(200, headers=response.headers).links.get("next", {}).get("url")
    try:
        found = parse_qs(urlsplit(link).query).get("max_id") if link else None
    except ValueError:
        found = None
    return found[0] if found else None


def _record(instance: str, status: Any) -> Record:
    payload = {"instance": instance, "status": status}
    try:
        return Record(*identify_status(payload), payload)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Record(None, None, payload)


def _may_be_kept(fetch: Fetch[MastodonSettings], status: Any) -> bool:
    settings = fetch.settings
    return wanted_by_its_author(status, opted_in_only=settings.opted_in_only, bots=settings.bots)


def fetch_statuses(fetch: Fetch[MastodonSettings], target: str) -> Iterator[Page]:
    """Public statuses of a local timeline or of a tag in the window, as far as `pages` reach.

    Statuses of people who opted out are left out.

    Raises:
        Permanent: the instance does not show the timeline to visitors.
    """
    instance, _, what = target.partition(" ")
    params: dict[str, Any] = {"limit": PAGE_SIZE}
    if what.startswith("#"):
        path = f"v1/timelines/tag/{quote(what[1:], safe='')}"
    else:
        path = "v1/timelines/public"
        params["local"] = "true"
    for page in range(1, fetch.settings.pages + 1):
        response = _get(fetch, instance, path, params)
        statuses = _list(response)
        if page == 1 and not statuses:
            _refuse_if_closed(fetch, instance, "live_feeds" if what == "local" else "hashtag_feeds")
        records = [_record(instance, status) for status in statuses if _may_be_kept(fetch, status)]
        yield Page.of(response, list(wanted(records, fetch)))
        max_id = _next_page(response)
        if max_id is None or not statuses or ends_before(records, fetch):
            return
        if max_id == params.get("max_id"):
            raise Malformed(f"{response.url} names {max_id} as the page after itself", status=response.status)
        params["max_id"] = max_id
    log.warning("%s: %d pages do not cover the window; fetch it more often", target, fetch.settings.pages)


def _refuse_if_closed(fetch: Fetch[MastodonSettings], instance: str, feeds: str) -> None:
    """An empty timeline may be one that is switched off (Mastodon 4.5); the instance tells."""
    try:
        body = _get(fetch, instance, "v2/instance", {}).json()
    except Permanent:
        # Older servers, and other software, do not tell; there it is empty.
        return
    access: Any = body
    for name in ("configuration", "timelines_access", feeds):
        access = access.get(name) if isinstance(access, Mapping) else None
    if not isinstance(access, Mapping):
        return
    shown = [access.get("local")] if feeds == "live_feeds" else [access.get("local"), access.get("remote")]
    if "public" not in shown:
        raise Permanent(f"{instance} shows this timeline to members alone, or to nobody; take it off {WATCH_LIST}")


def recheck_statuses(fetch: Fetch[MastodonSettings], known: Sequence[Known]) -> Iterator[Page]:
    """The statuses as the instances that showed them do now; those not shown, and of people who opted out, are gone.

    Raises:
        SourceError: an instance did not answer, after all others were asked; before Mastodon 4.3 none does.
    """
    failed: SourceError | None = None
    by_instance: dict[str, list[Known]] = {}
    for one in known:
        if _names_a_status(one):
            by_instance.setdefault(one.payload["instance"], []).append(one)
    for instance, statuses in by_instance.items():
        try:
            for start in range(0, len(statuses), STATUSES_AT_ONCE):
                yield _recheck(fetch, instance, statuses[start : start + STATUSES_AT_ONCE])
        except SourceError as error:
            log.warning("%s cannot be asked for what it deleted: %s", instance, error)
            failed = error
    if failed is not None:
        raise failed


def _names_a_status(known: Known) -> bool:
    """False for what is too broken to be asked for again."""
    try:
        return identify_status(known.payload)[0] == known.record_id and isinstance(known.payload["status"]["id"], str)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _recheck(fetch: Fetch[MastodonSettings], instance: str, known: Sequence[Known]) -> Page:
    ids = [one.payload["status"]["id"] for one in known]
    response = _get(fetch, instance, "v1/statuses", {"id[]": ids})
    statuses = named(_list(response), "id")
    shown = {local_id: status for local_id, status in statuses.items() if _may_be_kept(fetch, status)}
    records = []
    for one, local_id in zip(known, ids, strict=True):
        if local_id in shown:
            records.append(_record(instance, shown[local_id]))
        else:
            records.append(Record(one.record_id, one.event_time, gone(one.payload)))
    return Page.of(response, records)


def fetch_trends(fetch: Fetch[MastodonSettings], target: str) -> Iterator[Page]:
    """One page: the tags that trend on an instance, in their order; none where it keeps no list."""
    response = _get(fetch, target, "v1/trends/tags", {"limit": TRENDS_AT_MOST})
    # To the hour, so that asking twice in an hour gives one observation.
    observed = f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
    records = []
    for rank, tag in enumerate(_list(response), start=1):
        payload = {"instance": target, "observed_at": observed, "rank": rank, "tag": tag}
        try:
            records.append(Record(*identify_trend(payload), payload))
        except (KeyError, TypeError, ValueError):
            records.append(Record(None, None, payload))
    yield Page.of(response, records)


SOURCE = Source(
    name="mastodon",
    title="Mastodon",
    domain="social",
    homepage="https://joinmastodon.org",
    api_docs="https://docs.joinmastodon.org/methods/timelines/",
    licence="Rules and terms of each instance; statuses belong to their authors",
    terms=(
        "Read the rules of every instance you watch, and ask its administrators before you watch more than a little. "
        "Only public statuses are read. Nothing is kept of accounts with `noindex`, or with #nobot, #noindex, "
        "#noarchive or #nosearch in their profile; PIPELINE_MASTODON__OPTED_IN_ONLY keeps nothing but what people "
        "agreed to have searched. Statuses that are deleted, or whose authors opt out later, lose their text here "
        "when they are checked again; of instances before Mastodon 4.3 that cannot be checked."
    ),
    base_url="https://mastodon.social",
    credentials=(),
    # 300 per 5 minutes and address, on every instance; a part of it is left to people behind the same address.
    budget=Budget(240, 300),
    cadence="7,22,37,52 * * * *",
    settings=MastodonSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="mastodon_statuses",
            kind="documents",
            description="Public statuses of the watched timelines and tags, without boosts.",
            history="now_only",
            lookback_days=2,
            targets=targets,
            fetch=fetch_statuses,
            identify=identify_status,
            parse=parse_status,
            recheck=recheck_statuses,
            recheck_days=30,
            max_pages=400,
            fields={
                "document_id": "status.uri | status.id (where the address is none of the web) | instance",
                "kind": "(always post)",
                "channel": "status.uri (its host)",
                "author": "status.account.url | status.account.acct",
                "title": "status.spoiler_text",
                "text": "status.content | status.media_attachments[].description (of statuses without text)",
                "url": "status.uri (without the name in it)",
                "image_url": "status.media_attachments[].url | status.media_attachments[].preview_url | "
                "status.card.image",
                "category": "status.tags[].name",
                "created_at": "status.created_at",
                "language_declared": "status.language",
                "likes": "status.favourites_count",
                "replies": "status.replies_count",
                "shares": "status.reblogs_count",
                "quotes": "status.quotes_count",
                "is_adult": "status.sensitive (of statuses with media) | status.tags[].name",
                "is_deleted": "deleted",
            },
            sample=Sample("harbour.example local", [SAMPLE_STATUS, SAMPLE_DELETED]),
        ),
        Stream(
            name="mastodon_trends",
            kind="trending",
            description="Tags that trend on the watched instances, with how often they were used on the day.",
            history="now_only",
            lookback_days=1,
            targets=instances,
            fetch=fetch_trends,
            identify=identify_trend,
            parse=parse_trend,
            fields={
                "trend_id": "instance | observed_at | tag.name",
                "list_name": "instance",
                "rank": "rank (place in the list)",
                "name": "tag.name",
                "volume": "tag.history[].uses (of the first day)",
                "url": "tag.url",
                "observed_at": "observed_at (to the hour)",
            },
            sample=Sample("harbour.example", [SAMPLE_TREND]),
        ),
    ),
)
