"""GitHub: stars, releases, the event feed and contributions: what is asked, which are of the window, what they mean."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources.base import Fetch, Page, Record, Window
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.github import SOURCE
from pipeline_platform.sources.github_api import GithubSettings, diagnose
from pipeline_platform.sources.policy import breaker_state
from pipeline_platform_tests.sources.conftest import FakeClock, Upstream

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
STREAMS = {stream.name: stream for stream in SOURCE.streams}
REPOSITORY = {"full_name": "harbour/tides", "stargazers_count": 250}
SUNDAY = 1794700800
"""2026-11-15."""

Collect = Callable[..., list[Page]]


@pytest.fixture
def client(upstream: Upstream, redis_client: redis.Redis, clock: FakeClock, tmp_path: Path) -> Iterator[SourceClient]:
    settings = GithubSettings(token=SecretStr("s3cr3t"), base_url=upstream.url)
    with SourceClient(SOURCE, settings, redis=redis_client, cache_path=tmp_path, clock=clock) as made:
        yield made


@pytest.fixture
def collect(client: SourceClient) -> Collect:
    """Fetches `harbour/tide` of a stream."""

    def fetch(name: str, window: Window = WINDOW) -> list[Page]:
        assert isinstance(client.settings, GithubSettings)
        return list(STREAMS[name].fetch(Fetch(client, client.settings, window, NOW), "harbour/tide"))

    return fetch


def records(pages: list[Page]) -> list[Record]:
    return [record for page in pages for record in page.records]


def row_of(name: str, payload: Any) -> dict[str, Any]:
    return STREAMS[name].parse(payload)


def sample(name: str, number: int = 0) -> Any:
    return copy.deepcopy(STREAMS[name].sample.payloads[number])


# Stars


def star(account: int, starred_at: str | None) -> dict[str, Any]:
    return {"starred_at": starred_at, "user": {"login": f"user{account}", "id": account}}


def linked(upstream: Upstream, **pages: int) -> str:
    return ", ".join(f'<{upstream.url}/repositories/1/stargazers?page={n}>; rel="{name}"' for name, n in pages.items())


def test_stars_are_read_from_the_last_page_back_to_the_window(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps(REPOSITORY))
    upstream.reply(json.dumps([star(1, "2015-01-01T00:00:00Z")]), Link=linked(upstream, next=2, last=5))
    upstream.reply(json.dumps([star(9, "2026-11-22T10:00:00Z")]), Link=linked(upstream, prev=4, first=1))
    page = [star(6, "2026-11-19T23:59:59Z"), star(7, "2026-11-20T00:00:00Z"), star(8, "2036-11-20T00:00:00Z")]
    upstream.reply(json.dumps(page), Link=linked(upstream, prev=3, next=5, last=5))
    upstream.reply("[]")
    found = records(collect("github_stars"))
    assert [record.record_id for record in found] == [f"github:harbour/tides:star:{number}" for number in (9, 7, 8)]
    assert [httpx.URL(upstream.url + seen.path).params.get("page") for seen in upstream.seen] == [None, None, "5", "4"]
    assert upstream.seen[1].headers["accept"] == "application/vnd.github.star+json"
    assert upstream.seen[1].path == "/repos/harbour/tide/stargazers?per_page=100"
    assert row_of("github_stars", found[1].payload) == {
        "event_id": "github:harbour/tides:star:7",
        "repository": "harbour/tides",
        "event_type": "star",
        "author": "user7",
        "occurred_at": datetime(2026, 11, 20, tzinfo=UTC),
    }


def test_a_short_list_is_read_whole_and_its_first_page_once(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps(REPOSITORY))
    upstream.reply(json.dumps([star(1, "2026-11-20T08:00:00Z")]), Link=linked(upstream, next=2, last=2))
    upstream.reply(json.dumps([star(2, "2026-11-21T08:00:00Z")]), Link=linked(upstream, prev=1, first=1))
    assert [record.event_time and record.event_time.day for record in records(collect("github_stars"))] == [21, 20]
    assert len(upstream.seen) == 3


def test_a_list_without_an_end_is_read_forwards(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps(REPOSITORY))
    upstream.reply(json.dumps([star(1, "2015-01-01T00:00:00Z")]), Link=linked(upstream, next=2))
    upstream.reply(json.dumps([star(2, "2026-11-21T08:00:00Z"), star(3, None), "star"]))
    found = records(collect("github_stars"))
    assert [record.record_id for record in found] == [
        "github:harbour/tides:star:2",
        "github:harbour/tides:star:3",
        None,
    ]


def test_the_newest_stars_of_a_large_repository_come_from_the_feed(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps(REPOSITORY | {"stargazers_count": 40_001}))
    upstream.reply(json.dumps([star(1, "2015-01-01T00:00:00Z")]), Link=linked(upstream, next=2, last=400))
    upstream.reply(json.dumps([star(5, "2026-01-01T00:00:00Z")]), Link=linked(upstream, prev=399))
    watch = {"id": "1", "type": "WatchEvent", "actor": {"login": "ida", "id": 6}, "created_at": "2026-11-21T08:00:00Z"}
    upstream.reply(json.dumps([watch, watch | {"type": "PushEvent"}, "event"]))
    (found,) = records(collect("github_stars"))
    assert found.record_id == "github:harbour/tides:star:6"
    assert row_of("github_stars", found.payload)["occurred_at"] == datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_a_star_with_an_impossible_time_belongs_to_its_neighbours(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps(REPOSITORY))
    times = ["2026-11-18T00:00:00Z", "2036-11-18T01:00:00Z", "2026-11-19T00:00:00Z", None, "2026-11-20T00:00:00Z"]
    upstream.reply(json.dumps([star(number, time) for number, time in enumerate(times)]))
    assert [record.payload["star"]["user"]["id"] for record in records(collect("github_stars"))] == [3, 4]


# Releases


def release(number: int, created_at: str, published_at: str | None, **changes: Any) -> dict[str, Any]:
    return sample("github_releases") | {"id": number, "created_at": created_at, "published_at": published_at} | changes


def test_releases_are_read_until_no_later_one_can_follow(collect: Collect, upstream: Upstream) -> None:
    old = "2026-10-21T00:00:00Z"
    first = [
        release(1, "2026-11-23T01:00:00Z", "2026-11-23T01:00:00Z"),
        release(2, "2026-11-21T00:00:00Z", None, draft=True),
        release(3, "2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z"),
        release(4, "2026-11-01T00:00:00Z", None),
        release(5, old, old),
    ]
    upstream.reply(json.dumps(first), Link=f'<{upstream.url}/2>; rel="next"')
    upstream.reply(json.dumps([release(6, "2026-10-20T23:59:59Z", old)]), Link=f'<{upstream.url}/3>; rel="next"')
    found = records(collect("github_releases"))
    # The first claims a time that is still to come, and the fourth none: that is for the quarantine to tell.
    assert [record.payload["id"] for record in found] == [1, 3, 4]
    assert len(upstream.seen) == 2


def test_a_release_without_a_name_has_its_tag() -> None:
    row = row_of("github_releases", sample("github_releases") | {"name": "", "prerelease": True, "author": None})
    assert (row["title"], row["state"], row["author"]) == ("v2.5.0", "prerelease", None)
    assert row["text"] == "Changed\n\nlow water comes in time again, #51"
    assert row["occurred_at"] == datetime(2026, 1, 5, 21, 10, 40, tzinfo=UTC)


# Events


def event(name: str, told: Any, **changes: Any) -> dict[str, Any]:
    return sample("github_events") | {"type": name, "payload": told} | changes


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("PushEvent", {"ref": "refs/heads/main", "size": 1, "commits": []}, ("push", "refs/heads/main", None, None)),
        ("WatchEvent", {"action": "started"}, ("notice", None, None, "started")),
        (
            "PullRequestEvent",
            {"action": "closed", "number": 7, "pull_request": {"number": 7, "title": "Trim"}},
            ("notice", "Trim", 7, "closed"),
        ),
        ("PullRequestEvent", {"action": "labeled", "number": 8, "pull_request": {}}, ("notice", None, 8, "labeled")),
        (
            "ReleaseEvent",
            {"action": "published", "release": {"name": None, "tag_name": "v1"}},
            ("notice", "v1", None, "published"),
        ),
        ("CommitCommentEvent", {"comment": {"body": "ok"}}, ("comment", None, None, None)),
        ("PullRequestReviewEvent", {"action": "created", "review": {"body": None}}, ("review", None, None, "created")),
        ("CreateEvent", {"ref": None, "ref_type": "repository"}, ("other", None, None, None)),
        ("SomethingNew", None, ("other", None, None, None)),
    ],
)
def test_events_by_type(name: str, told: Any, expected: tuple[Any, ...]) -> None:
    row = row_of("github_events", event(name, told))
    assert (row["event_type"], row["title"], row["number"], row["state"]) == expected
    assert (row["author"], row["repository"]) == ("bo-lund", "harbour/tide")


def test_a_comment_and_a_fork_say_where_they_are() -> None:
    comment, fork = (row_of("github_events", sample("github_events", number)) for number in (0, 1))
    assert (comment["text"], comment["number"]) == ("Seen in Ribe too.", 51)
    assert comment["url"].endswith("#issuecomment-88001")
    assert (fork["event_type"], fork["title"], fork["url"]) == ("fork", "kaj/tide", "https://github.com/kaj/tide")


def test_the_feed_is_read_until_the_window_begins(collect: Collect, upstream: Upstream) -> None:
    times = ["2026-11-23T09:00:00Z", "2026-11-21T00:00:00Z", "2026-11-19T00:00:00Z"]
    page = [event("PushEvent", {}, id=str(number), created_at=time) for number, time in enumerate(times)]
    upstream.reply(json.dumps(page), Link=f'<{upstream.url}/2>; rel="next"')
    upstream.reply(json.dumps(page[2:]), Link=f'<{upstream.url}/3>; rel="next"')
    assert [record.payload["id"] for record in records(collect("github_events"))] == ["0", "1"]
    assert [seen.path for seen in upstream.seen] == ["/repos/harbour/tide/events?per_page=100", "/2"]


# Contributions


def work(login: str, *weeks: Any) -> dict[str, Any]:
    return {"total": 9, "author": {"login": login, "id": len(login)}, "weeks": list(weeks)}


def week(number: int, commits: int = 2, lines: int = 5) -> dict[str, int]:
    return {"w": SUNDAY + number * 7 * 86_400, "a": lines, "d": lines, "c": commits}


def contributions(collect: Collect, upstream: Upstream, body: Any, window: Window = WINDOW) -> list[Record]:
    upstream.reply(json.dumps(REPOSITORY))
    upstream.reply(json.dumps(body))
    return records(collect("github_contributions", window))


def test_weeks_that_overlap_the_window_are_taken(collect: Collect, upstream: Upstream) -> None:
    body = [work("ida", week(-1), week(0), week(1)), work("bo", week(0, commits=0, lines=0), week(600))]
    found = contributions(collect, upstream, body)
    assert [record.record_id for record in found] == [
        "github:harbour/tides:contribution:3:2026-11-15",
        "github:harbour/tides:contribution:3:2026-11-22",
        "github:harbour/tides:contribution:2:2038-05-16",
    ]
    assert found[0].event_time == datetime(2026, 11, 15, tzinfo=UTC)
    assert row_of("github_contributions", found[1].payload) == {
        "contribution_id": "github:harbour/tides:contribution:3:2026-11-22",
        "repository": "harbour/tides",
        "author": "ida",
        "week_at": datetime(2026, 11, 22, tzinfo=UTC),
        "commits": 2,
        "additions": 5,
        "deletions": 5,
    }


def test_a_day_in_the_middle_brings_its_week(collect: Collect, upstream: Upstream) -> None:
    wednesday = Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
    (found,) = contributions(collect, upstream, [work("ida", week(-1), week(0), week(1))], wednesday)
    assert found.event_time == datetime(2026, 11, 15, tzinfo=UTC)


def test_lines_that_are_not_counted_are_unknown(collect: Collect, upstream: Upstream) -> None:
    (found,) = contributions(collect, upstream, [work("ida", week(0, lines=0))])
    row = row_of("github_contributions", found.payload)
    assert (row["commits"], row["additions"], row["deletions"]) == (2, None, None)


def test_work_of_no_known_shape_is_kept(collect: Collect, upstream: Upstream) -> None:
    found = contributions(collect, upstream, ["ida", {"weeks": None}, work("ida", "week", {"w": 10**40, "c": 1})])
    assert [record.record_id for record in found] == [None] * 4
    for record in found:
        with pytest.raises((KeyError, TypeError, ValueError)):
            row_of("github_contributions", record.payload)


def test_statistics_are_waited_for_and_the_circuit_stays_closed(
    collect: Collect, upstream: Upstream, clock: FakeClock, redis_client: redis.Redis
) -> None:
    upstream.reply(json.dumps(REPOSITORY))
    upstream.reply("{}", status=202, times=2)
    upstream.reply("[]")
    assert records(collect("github_contributions")) == []
    assert sum(clock.sleeps) == pytest.approx(20, abs=1)
    for _ in range(3):
        upstream.reply(json.dumps(REPOSITORY))
        upstream.reply("{}", status=202, times=3)
        upstream.script.pop(0)
        with pytest.raises(Transient, match="computing"):
            collect("github_contributions")
    assert breaker_state(SOURCE, redis_client, clock) == "closed"


def test_a_repository_without_commits_has_no_contributions(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps(REPOSITORY))
    upstream.reply("", status=204)
    assert records(collect("github_contributions")) == []


# Every stream


NEW = ("github_stars", "github_releases", "github_events", "github_contributions")


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize(("status", "said"), [(404, "absent or private"), (451, "legal")])
def test_what_is_gone_is_said(collect: Collect, upstream: Upstream, name: str, status: int, said: str) -> None:
    upstream.reply('{"message": "no"}', status=status)
    with pytest.raises(Permanent, match=said):
        collect(name)


@pytest.mark.parametrize("name", NEW)
def test_limits_are_honoured(collect: Collect, upstream: Upstream, clock: FakeClock, name: str) -> None:
    upstream.reply('{"message": "You have exceeded a secondary rate limit."}', status=403, Retry_After="30")
    spent = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": f"{(NOW + timedelta(hours=1)).timestamp():.0f}"}
    upstream.reply('{"message": "API rate limit exceeded for user ID 1."}', status=429, **spent)
    with pytest.raises(QuotaExhausted) as caught:
        collect(name)
    assert sum(clock.sleeps) == pytest.approx(30, abs=1)
    assert caught.value.resets_at == NOW + timedelta(hours=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-11-22T10:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "repository",
                    "star",
                    "user",
                    "id",
                    "login",
                    "week",
                    "w",
                    "author",
                    "payload",
                    "repo",
                    "name",
                    "message",
                ]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@given(payload=JSON)
def test_no_json_breaks_a_reader(payload: Any) -> None:
    for stream in SOURCE.streams:
        for read in (stream.identify, stream.parse):
            try:
                read(payload)
            except UNREADABLE:
                continue


STATUSES = st.sampled_from([200, 202, 304, 403, 409, 422, 429, 500])
PATHS = st.sampled_from(["/repos/a/b", "/search/repositories"])


@given(body=JSON, status=STATUSES, path=PATHS)
def test_no_json_breaks_the_diagnosis(body: Any, status: int, path: str) -> None:
    content = json.dumps(body).encode()
    found = diagnose(
        Response(status, httpx.Headers(), content, f"https://api.github.com{path}", {}, from_sandbox=False)
    )
    assert found is None or isinstance(found, SourceError)


@given(body=JSON)
def test_no_json_breaks_a_fetch(body: Any) -> None:
    """Whatever comes as a list: only errors of the taxonomy leave a fetch."""

    class Answering:
        settings = GithubSettings()

        def get(self, path: str, **_: Any) -> Response:
            shown = REPOSITORY | {"stargazers_count": 10**6} if path == "repos/harbour/tide" else [body, *_inside(body)]
            url = f"https://api.github.com/{path}"
            return Response(200, httpx.Headers(), json.dumps(shown).encode(), url, {}, from_sandbox=False)

    fetch = Fetch(Answering(), Answering.settings, WINDOW, NOW)  # type: ignore[arg-type] # answers without a server
    for name in NEW:
        assert records(list(STREAMS[name].fetch(fetch, "harbour/tide"))) is not None


def _inside(body: Any) -> list[Any]:
    if isinstance(body, dict):
        return [{"weeks": list(body.values()), "author": body}, *body.values()]
    return list(body) if isinstance(body, list) else []
