"""Mastodon: one name for a status wherever it is seen, opting out, rows, paging, instances that are closed."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources import mastodon
from pipeline_platform.sources.base import Fetch, Known, Page, Window
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.mastodon_records import (
    SAMPLE_DELETED,
    SAMPLE_STATUS,
    SAMPLE_TREND,
    identify_status,
    identify_trend,
    parse_status,
    parse_trend,
    wanted_by_its_author,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = Window(NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1))
HERE = "harbour.example"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
STATUSES = st.fixed_dictionaries(
    {},
    optional={name: JSON | st.just(value) for name, value in SAMPLE_STATUS["status"].items()},
)


def status(number: int = 1, **changes: Any) -> dict[str, Any]:
    """The sample status with another number; `account` is changed field by field."""
    made = deepcopy(SAMPLE_STATUS["status"])
    account = changes.pop("account", {})
    if isinstance(account, dict):
        account = {**made["account"], **account}
    uri = f"https://{HERE}/users/adaquay/statuses/{number}"
    return {**made, "id": str(number), "uri": uri, "account": account, **changes}


def at(hour: int, **changes: Any) -> dict[str, Any]:
    moment = NOW.replace(hour=0) + timedelta(hours=hour)
    return status(100 + hour, created_at=f"{moment:%Y-%m-%dT%H:%M:%S.000Z}", **changes)


def row(one: Any, instance: str = HERE) -> dict[str, Any]:
    return parse_status({"instance": instance, "status": one})


@pytest.fixture
def fetch_with(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Any:
    """A fetch with these settings, from the server that the test lines answers up for."""
    clients = []

    def make(**settings: Any) -> Fetch[mastodon.MastodonSettings]:
        options = mastodon.MastodonSettings(base_url=upstream.url, **settings)
        client = SourceClient(mastodon.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock)
        clients.append(client)
        return Fetch(client, options, TODAY, NOW)

    yield make
    for client in clients:
        client.close()


Ask = Callable[..., list[Page]]


@pytest.fixture
def ask(fetch_with: Any, upstream: Any) -> Ask:
    """Fetch a target from a server that gives these pages in turn, each naming `max_id` of the next."""

    def fetch(
        *answers: Any, target: str = f"{HERE} local", stream: int = 0, code: int = 200, **settings: Any
    ) -> list[Page]:
        for number, answer in enumerate(answers, start=1):
            more = number < len(answers)
            link = f'<https://{HERE}/api/v1/x?limit=40&max_id=m{number}>; rel="next", <https://{HERE}/y>; rel="prev"'
            upstream.reply(json.dumps(answer), code, **({"Link": link} if more else {}))
        return list(mastodon.SOURCE.streams[stream].fetch(fetch_with(**settings), target))

    return fetch


def ids(pages: list[Page]) -> list[str]:
    return [record.record_id.rpartition(":")[2] for page in pages for record in page.records if record.record_id]


# --- names ---


ULID = "01F8MH75CBF9JFX4ZAD54N0W0R"


@pytest.mark.parametrize(
    ("uri", "name", "url"),
    [
        (
            "https://Harbour.example/users/ada/statuses/115",
            "harbour.example:115",
            "https://harbour.example/statuses/115",
        ),
        (
            "https://harbour.example/ap/users/7/statuses/115",
            "harbour.example:115",
            "https://harbour.example/statuses/115",
        ),
        (f"https://gts.example/users/ada/statuses/{ULID}", f"gts.example:{ULID}", None),
        (
            "https://pleroma.example/objects/5f1c",
            "pleroma.example:objects/5f1c",
            "https://pleroma.example/objects/5f1c",
        ),
        ("https://misskey.example/notes/9xyz", "misskey.example:notes/9xyz", "https://misskey.example/notes/9xyz"),
        ("https://pixelfed.example/p/ada/7", "pixelfed.example:sha256-dcaa942477fcd0a33533", None),
        (
            "tag:old.example,2017-05-01:objectId=9:objectType=Status",
            "seen.example:42",
            "https://seen.example/statuses/42",
        ),
    ],
)
def test_a_status_has_one_name_wherever_it_is_seen(uri: str, name: str, url: str | None) -> None:
    payload = {"instance": "seen.example", "status": status(42, uri=uri)}
    row = parse_status(payload)
    assert identify_status(payload)[0] == row["document_id"] == f"mastodon:{name}"
    assert (row["channel"], row["url"]) == (name.split(":")[0], url)
    assert "ada" not in json.dumps({**row, "created_at": None, "author": None})


@pytest.mark.parametrize(
    "changes", [{"uri": None, "id": "a b"}, {"uri": "", "id": 5}, {"uri": 7, "id": ""}, {"uri": "https://[a/b"}]
)
def test_a_status_without_a_name_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UNREADABLE):
        identify_status({"instance": HERE, "status": status(**changes)})


# --- rows ---


def test_a_status_becomes_a_document() -> None:
    assert parse_status(SAMPLE_STATUS) == {
        "document_id": "mastodon:harbour.example:115590001122334455",
        "kind": "post",
        "channel": "harbour.example",
        "created_at": datetime(2026, 11, 22, 9, 41, 5, 120_000, tzinfo=UTC),
        "author": "https://harbour.example/@adaquay",
        "title": "Tides",
        "text": "The gauge at pier 4 is back.\nPass to the east.",
        "url": "https://harbour.example/statuses/115590001122334455",
        "image_url": "https://files.harbour.example/4.jpg",
        "category": "tides",
        "language_declared": "en",
        "likes": 12,
        "replies": 2,
        "shares": 3,
        "quotes": 1,
        "is_adult": True,
    }


def test_shortened_links_are_whole_in_the_text() -> None:
    link = (
        '<p>Read <a href="https://tides.example/a/b"><span class="invisible">https://</span>'
        '<span class="ellipsis">tides.example/a</span><span class="invisible">/b</span></a> '
        '<a href="x" class="mention hashtag">#<span>tides</span></a></p>'
    )
    assert row(status(content=link))["text"] == "Read https://tides.example/a/b #tides"


def test_a_status_without_words_is_what_its_media_are_described_as() -> None:
    bare = row(status(content="", spoiler_text=""))
    assert (bare["title"], bare["text"]) == (None, "A yellow gauge on a pier")
    assert row(status(content="<p></p>", spoiler_text=" ", media_attachments=[]))["text"] is None


@pytest.mark.parametrize(
    ("changes", "adult"),
    [
        ({"sensitive": True}, True),
        ({"sensitive": True, "media_attachments": []}, False),
        ({"sensitive": False}, False),
        ({"sensitive": False, "tags": [{"name": "NSFW"}]}, True),
    ],
)
def test_a_warning_of_words_is_no_mark_of_adult_content(changes: dict[str, Any], adult: bool) -> None:
    assert row(status(**changes))["is_adult"] is adult


def test_pictures_of_videos_and_links_count_where_there_is_no_other() -> None:
    media = SAMPLE_STATUS["status"]["media_attachments"]
    assert row(status(media_attachments=media[1:]))["image_url"] == "https://files.harbour.example/4.png"
    assert row(status(media_attachments=[]))["image_url"] == "https://tides.example/4.jpg"
    assert row(status(media_attachments=[], card=None))["image_url"] is None


def test_a_deleted_status_says_nothing() -> None:
    deleted = parse_status(SAMPLE_DELETED)
    assert deleted["is_deleted"] is True
    assert deleted["document_id"] == "mastodon:lantern.example:objects/5f1c7a52-0d3e-4f19-8f3e-c1a2b3d4e5f6"
    assert not {"text", "author", "title"} & deleted.keys()


@pytest.mark.parametrize(
    "broken", [status(content=None), status(account=None), status(created_at="a while ago"), {"uri": 5}, None, []]
)
def test_what_is_no_status_is_refused(broken: Any) -> None:
    with pytest.raises(UNREADABLE):
        row(broken)


def test_a_trend_tells_how_often_its_tag_was_used_today() -> None:
    assert parse_trend(SAMPLE_TREND) == {
        "trend_id": "mastodon:trends:harbour.example:2026-11-22:tides",
        "list_name": "harbour.example",
        "rank": 1,
        "name": "tides",
        "volume": 41,
        "url": "https://harbour.example/tags/tides",
        "observed_at": datetime(2026, 11, 22, 10, tzinfo=UTC),
    }
    without = {**SAMPLE_TREND, "tag": {"name": "gezeiten ü", "url": None, "history": []}}
    assert (parse_trend(without)["volume"], parse_trend(without)["url"]) == (None, None)
    assert identify_trend(without)[0].endswith(":gezeiten%20%C3%BC")


@given(st.one_of(JSON, st.fixed_dictionaries({"instance": JSON | st.just(HERE), "status": STATUSES})))
def test_no_payload_breaks_the_parsers(payload: Any) -> None:
    for function in (identify_status, parse_status, identify_trend, parse_trend):
        try:
            function(payload)
        except UNREADABLE:
            continue


@given(st.one_of(JSON, STATUSES), st.booleans(), st.booleans())
def test_anything_is_kept_or_not(one: Any, opted_in_only: bool, bots: bool) -> None:
    assert wanted_by_its_author(one, opted_in_only=opted_in_only, bots=bots) in (True, False)


@given(JSON, st.sampled_from([200, 401, 403, 404, 422, 429, 500]))
def test_no_answer_breaks_the_diagnosis(body: Any, code: int) -> None:
    answer = Response(code, httpx.Headers(), json.dumps(body).encode(), "https://a.example/b", {}, from_sandbox=False)
    assert isinstance(mastodon.diagnose(answer), SourceError | None)


# --- opting out ---


@pytest.mark.parametrize(
    ("changes", "settings", "kept"),
    [
        ({}, {}, True),
        ({"visibility": "unlisted"}, {}, False),
        ({"visibility": "private"}, {}, False),
        ({"visibility": 7}, {}, True),
        ({"reblog": {"id": "1"}}, {}, False),
        ({"account": {"noindex": True}}, {}, False),
        ({"account": {"noindex": None}}, {}, True),
        ({"account": {"note": "<p>Hello #<span>NoBot</span></p>"}}, {}, False),
        ({"account": {"note": "<p>no bots #nobots.</p>"}}, {}, False),
        ({"account": {"note": "<p>My #nobotany page</p>"}}, {}, True),
        ({"account": {"indexable": False}}, {}, True),
        ({"account": {"indexable": False}}, {"opted_in_only": True}, False),
        ({"account": {"indexable": True}}, {"opted_in_only": True}, True),
        ({"account": {"bot": True}}, {}, True),
        ({"account": {"bot": True}}, {"bots": False}, False),
        ({"account": None}, {"bots": False}, True),
    ],
)
def test_people_decide_what_is_kept_of_them(
    ask: Ask, changes: dict[str, Any], settings: dict[str, Any], kept: bool
) -> None:
    (page,) = ask([at(9, **changes)], **settings)
    assert bool(page.records) is kept


# --- fetching ---


def test_a_timeline_is_read_back_to_the_start_of_the_window(ask: Ask, upstream: Any) -> None:
    pages = ask([at(11), at(9)], [at(1), at(-2)], [at(-3)])
    assert ids(pages) == ["111", "109", "101"]
    asked = [urlsplit(seen.path) for seen in upstream.seen]
    assert {part.path for part in asked} == {f"/{HERE}/api/v1/timelines/public"}
    assert [parse_qs(part.query).get("max_id") for part in asked] == [None, ["m1"]]
    assert parse_qs(asked[0].query) == {"limit": ["40"], "local": ["true"]}


def test_a_tag_is_written_as_its_address_wants(ask: Ask, upstream: Any) -> None:
    ask([at(9)], target=f"{HERE} #gezeiten_ü")
    asked = urlsplit(upstream.seen[0].path)
    assert unquote(asked.path) == f"/{HERE}/api/v1/timelines/tag/gezeiten_ü"
    assert "local" not in parse_qs(asked.query)


def test_a_busy_timeline_is_left_after_so_many_pages(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    assert len(ask([at(11)], [at(10)], [at(9)], pages=2)) == 2
    assert "2 pages do not cover the window" in caplog.text


def test_a_page_after_itself_is_malformed(fetch_with: Any, upstream: Any) -> None:
    upstream.reply(json.dumps([at(9)]), Link='<https://harbour.example/a?max_id=7>; rel="next"')
    with pytest.raises(Malformed, match="page after itself"):
        list(mastodon.fetch_statuses(fetch_with(), f"{HERE} local"))


def test_the_broken_is_kept_among_the_sound(ask: Ask) -> None:
    (page,) = ask([at(11), {"uri": 5}, None, at(10)])
    assert [record.record_id is None for record in page.records] == [False, True, True, False]


@pytest.mark.parametrize("link", ["", "<", "nonsense", '<http://[>; rel="next"', '<https://a/b>; rel="next"'])
def test_a_list_without_a_next_page_ends(fetch_with: Any, upstream: Any, link: str) -> None:
    upstream.reply(json.dumps([at(9)]), **({"Link": link} if link else {}))
    assert len(list(mastodon.fetch_statuses(fetch_with(), f"{HERE} local"))) == 1


def about(live: str, tags: str, remote: str = "public") -> dict[str, Any]:
    access = {"live_feeds": {"local": live, "remote": remote}, "hashtag_feeds": {"local": tags, "remote": remote}}
    return {"configuration": {"timelines_access": access}}


@pytest.mark.parametrize(
    ("target", "told", "closed"),
    [
        ("local", about("disabled", "public"), True),
        ("local", about("authenticated", "public"), True),
        ("local", about("public", "disabled"), False),
        ("#tides", about("public", "authenticated", "disabled"), True),
        ("#tides", about("public", "disabled"), False),
        ("local", {"configuration": {}}, False),
        ("local", [], False),
    ],
)
def test_an_empty_timeline_may_be_switched_off(
    fetch_with: Any, upstream: Any, target: str, told: Any, closed: bool
) -> None:
    upstream.reply("[]")
    upstream.reply(json.dumps(told))
    if closed:
        with pytest.raises(Permanent, match="take it off PIPELINE_MASTODON__WATCH"):
            list(mastodon.fetch_statuses(fetch_with(), f"{HERE} {target}"))
    else:
        (page,) = mastodon.fetch_statuses(fetch_with(), f"{HERE} {target}")
        assert page.records == []
    assert urlsplit(upstream.seen[-1].path).path == f"/{HERE}/api/v2/instance"


def test_an_older_server_does_not_tell(fetch_with: Any, upstream: Any) -> None:
    upstream.reply("[]")
    upstream.reply('{"error": "Not Found"}', 404)
    (page,) = mastodon.fetch_statuses(fetch_with(), f"{HERE} local")
    assert page.records == []


@pytest.mark.parametrize(
    ("code", "body", "kind", "words"),
    [
        (401, {"error": "The access token is invalid"}, Permanent, "not shown to visitors.*access token"),
        (403, {"error": "This action is not allowed"}, Permanent, "not shown to visitors"),
        (422, {"error": "This method requires an authenticated user"}, Permanent, "authenticated user.*take it off"),
        (404, {"error": "Not Found"}, Permanent, "no Mastodon is there; check PIPELINE_MASTODON__WATCH"),
        (429, {"error": "Too many requests"}, Transient, "429"),
        (503, {"error": "There was a temporary problem"}, Transient, "503"),
        (200, {"error": "Remote data could not be fetched"}, Transient, "Remote data"),
        (200, {"statuses": []}, Malformed, "no list but dict"),
    ],
)
def test_errors_say_what_to_do(ask: Ask, code: int, body: Any, kind: type[SourceError], words: str) -> None:
    with pytest.raises(kind, match=words):
        ask(body, code=code)


def test_without_a_base_address_every_instance_is_asked_itself(
    monkeypatch: pytest.MonkeyPatch, fetch_with: Any
) -> None:
    fetch = fetch_with()
    live = Fetch(fetch.client, mastodon.MastodonSettings(), TODAY, NOW)
    asked: list[str] = []

    def get(path: str, **_: Any) -> Any:
        asked.append(path)
        raise Permanent("no")

    monkeypatch.setattr(fetch.client, "get", get)
    for target in ("quill.example local", "lantern.example #tides"):
        with pytest.raises(Permanent):
            list(mastodon.fetch_statuses(live, target))
    assert asked == [
        "https://quill.example/api/v1/timelines/public",
        "https://lantern.example/api/v1/timelines/tag/tides",
    ]


def test_trends_are_of_the_hour(ask: Ask) -> None:
    (page,) = ask([SAMPLE_TREND["tag"], {"name": 5}], target=HERE, stream=1)
    first, second = page.records
    assert (first.record_id, first.event_time) == ("mastodon:trends:harbour.example:2026-11-22:tides", NOW)
    assert second.record_id is None


def known_at(*hours: int, instance: str = HERE) -> list[Known]:
    payloads = [{"instance": instance, "status": at(hour)} for hour in hours]
    return [Known(*identify_status(payload), payload) for payload in payloads]  # type: ignore[arg-type]


def test_deletions_and_refusals_are_found(fetch_with: Any, upstream: Any) -> None:
    upstream.reply(json.dumps([at(1, favourites_count=99), at(2, account={"noindex": True})]))
    (page,) = mastodon.recheck_statuses(fetch_with(), [*known_at(1, 2, 3), Known("mastodon:sha256:1", NOW, None)])
    kept, refused, deleted = page.records
    assert parse_status(kept.payload)["likes"] == 99
    for record, hour in ((refused, 2), (deleted, 3)):
        assert (record.record_id, record.event_time) == identify_status(record.payload)
        assert record.event_time == datetime(2026, 11, 22, hour, tzinfo=UTC)
        assert parse_status(record.payload)["is_deleted"] is True
        assert "gauge" not in json.dumps(record.payload)


@pytest.mark.parametrize("odd", [{"id": 5}, None])
def test_nothing_counts_as_deleted_where_an_item_cannot_be_told(fetch_with: Any, upstream: Any, odd: Any) -> None:
    upstream.reply(json.dumps([at(1), odd]))
    with pytest.raises(Malformed, match="nobody can say what is missing"):
        list(mastodon.recheck_statuses(fetch_with(), known_at(1, 2)))


def test_every_instance_is_asked_for_what_it_showed(fetch_with: Any, upstream: Any) -> None:
    upstream.reply("[]", times=2)
    upstream.reply('{"error": "Not Found"}', 404)
    pages: list[Page] = []
    with pytest.raises(Permanent, match=r"old\.example"):
        pages.extend(
            mastodon.recheck_statuses(fetch_with(), [*known_at(*range(21)), *known_at(1, instance="old.example")])
        )
    asked = [urlsplit(seen.path) for seen in upstream.seen]
    assert [part.path for part in asked] == [f"/{name}/api/v1/statuses" for name in (HERE, HERE, "old.example")]
    assert parse_qs(asked[0].query)["id[]"] == [str(100 + hour) for hour in range(20)]
    assert parse_qs(asked[1].query)["id[]"] == ["120"]


# --- settings ---


def test_an_instance_has_the_last_word_on_its_own() -> None:
    settings = mastodon.MastodonSettings(
        watch=[
            {"instance": "quill.example", "timeline": "local"},
            {"instance": "lantern.example", "tag": "tides"},
            {"instance": "quill.example", "timeline": "local"},
        ]
    )
    assert mastodon.targets(settings) == ["lantern.example #tides", "quill.example local"]
    assert mastodon.instances(settings) == ["quill.example", "lantern.example"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"instance": "quill.example"}, "nothing to watch"),
        ({"instance": "quill.example", "timeline": "home"}, "nothing to watch"),
        ({"instance": "quill.example", "timeline": "local", "tag": "tides"}, "nothing to watch"),
        ({"instance": "https://quill.example", "tag": "tides"}, "host name alone"),
        ({"instance": "quill", "tag": "tides"}, "host name alone"),
        ({"instance": "quill.example", "tag": "#tides"}, "without #"),
        ({"instance": "quill.example", "tag": ""}, "without #"),
    ],
)
def test_settings_refuse_what_cannot_be_watched(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        mastodon.MastodonSettings(watch=[wrong])
