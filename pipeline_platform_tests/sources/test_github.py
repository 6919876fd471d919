"""GitHub: what is asked, how paging and limits are read, and what the items mean."""

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
from pydantic import SecretStr, ValidationError

from pipeline_platform.schemas.catalog import cleaned_table
from pipeline_platform.sources.base import Fetch, Page, Record, Stream, Window
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.github import SOURCE
from pipeline_platform.sources.github_api import GithubSettings, diagnose
from pipeline_platform_tests.sources.conftest import FakeClock, Upstream

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
STREAMS = {stream.name: stream for stream in SOURCE.streams}
ERRORS = Path(__file__).parents[2] / "../shared/recordings/github"

Collect = Callable[..., list[Page]]


def sample(name: str) -> Any:
    return copy.deepcopy(STREAMS[name].sample.payloads[0])


def parse(name: str, payload: Any) -> dict[str, Any]:
    return STREAMS[name].parse(payload)


@pytest.fixture
def collect(upstream: Upstream, redis_client: redis.Redis, clock: FakeClock, tmp_path: Path) -> Iterator[Collect]:
    """Fetches a target of a stream from `upstream`, by one client for all calls of a test."""
    clients: dict[bool, SourceClient] = {}

    def fetch(name: str, target: str = "harbour/tide", token: str | None = "s3cr3t", **settings: Any) -> list[Page]:
        wanted = GithubSettings(token=token and SecretStr(token), base_url=upstream.url, **settings)
        client = clients.setdefault(
            token is None, SourceClient(SOURCE, wanted, redis=redis_client, cache_path=tmp_path, clock=clock)
        )
        return list(STREAMS[name].fetch(Fetch(client, wanted, WINDOW, NOW), target))

    yield fetch
    for client in clients.values():
        client.close()


def records(pages: list[Page]) -> list[Record]:
    return [record for page in pages for record in page.records]


def issue(number: int, updated_at: str = "2026-11-21T10:00:00Z", **changes: Any) -> dict[str, Any]:
    created_at = changes.pop("created_at", updated_at)
    address = f"https://github.com/harbour/tide/issues/{number}"
    times = {"created_at": created_at, "updated_at": updated_at}
    return sample("github_issues") | {"number": number, "html_url": address} | times | changes


# What the items mean


@pytest.mark.parametrize("stream", SOURCE.streams, ids=lambda stream: stream.name)
def test_samples_become_rows_of_their_kind(stream: Stream) -> None:
    table = cleaned_table(SOURCE, stream)
    rows = [stream.parse(payload) for payload in stream.sample.payloads]
    assert set(rows[0]) - {"author"} <= set(table.columns)
    assert len(table.frame(rows)) == len(rows)


def test_ids_can_be_read() -> None:
    ids = {name: stream.identify(stream.sample.payloads[0])[0] for name, stream in STREAMS.items()}
    assert ids == {
        "github_repositories": "github:harbour/tide:2026-01-06",
        "github_commits": "github:harbour/tide:commit:5f0c1e6d2b7a4938c0d1e2f3a4b5c6d7e8f90123",
        "github_pull_requests": "github:harbour/tide:pull_request:58",
        "github_issues": "github:harbour/tide:issue:51",
        "github_issue_documents": "github:harbour/tide:issue:51",
        "github_stars": "github:harbour/tide:star:772",
        "github_releases": "github:harbour/tide:release:31007",
        "github_events": "github:harbour/tide:event:45000000123",
        "github_contributions": "github:harbour/tide:contribution:771:2026-01-04",
        "github_trending": "github:trending:python:2026-01-06:harbour/tide",
    }


def test_a_snapshot_happened_on_the_day_of_observation() -> None:
    _, event_time = STREAMS["github_repositories"].identify(sample("github_repositories"))
    assert event_time == parse("github_repositories", sample("github_repositories"))["observed_at"]
    assert event_time == datetime(2026, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize("account", [None, {}, {"login": "ghost"}])
def test_authors_without_an_account(account: Any) -> None:
    assert parse("github_issues", sample("github_issues") | {"user": account})["author"] is None
    assert parse("github_commits", sample("github_commits") | {"author": account})["author"] == "Ida Strand"


def test_addresses_of_people_do_not_leave_raw() -> None:
    payload = sample("github_commits")
    payload["commit"]["message"] = (
        "Trim hulls, ask ida@harbour.example\n\nSee <bo@harbour.example>.\n\n"
        "Co-authored-by: Bo Lund <bo@harbour.example>\nSigned-off-by: Ida Strand <ida@harbour.example>\n"
    )
    row = parse("github_commits", payload)
    assert row["title"] == "Trim hulls, ask [e-mail]"
    assert row["text"] == "See [e-mail]."
    assert "harbour.example" not in repr(row)


def test_merged_is_a_state() -> None:
    merged = parse("github_pull_requests", sample("github_pull_requests"))
    assert (merged["state"], merged["closed_at"]) == ("merged", datetime(2026, 1, 5, 9, 30, tzinfo=UTC))
    closed = parse("github_pull_requests", sample("github_pull_requests") | {"merged_at": None})
    assert closed["state"] == "closed"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, None),
        ("", ""),
        ("a **b** `c`\r\nd<br>e", "a b c\nd\ne"),
        ("# Head\n\n<!-- template -->\n\n- one\n- two\n", "Head\n\none\ntwo"),
        ("```py\nif a < b:\n    pass\n```", "if a < b:\n    pass"),
        ("see [here](https://x.example) & 5 &lt; 6 🌊", "see here & 5 < 6 🌊"),
    ],
)
def test_bodies_become_plain_text(body: str | None, text: str | None) -> None:
    assert parse("github_issue_documents", sample("github_issues") | {"body": body})["text"] == text


def test_labels_may_be_strings() -> None:
    row = parse("github_issues", sample("github_issues") | {"labels": ["bug", {"name": "help wanted"}]})
    assert row["labels"] == ["bug", "help wanted"]
    assert parse("github_issue_documents", sample("github_issues") | {"labels": []})["category"] is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just("0001-01-01T00:00:00+14:00"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "date", "login"]), inner),
    max_leaves=4,
)


@given(stream=st.sampled_from(SOURCE.streams), data=st.data())
def test_a_broken_item_is_said_to_be_broken(stream: Stream, data: st.DataObject) -> None:
    payload: Any = copy.deepcopy(stream.sample.payloads[0])
    place = data.draw(st.sampled_from([payload, *(value for value in payload.values() if isinstance(value, dict))]))
    field = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        del place[field]
    else:
        place[field] = data.draw(JSON)
    try:
        row = stream.parse(payload)
    except (KeyError, TypeError, ValueError):
        return
    cleaned_table(SOURCE, stream).frame([row])


# What is asked


def test_requests_say_version_and_token(collect: Collect, upstream: Upstream) -> None:
    upstream.reply("[]")
    collect("github_commits")
    collect("github_commits", token=None)
    seen, anonymous = upstream.seen
    assert (
        seen.path
        == "/repos/harbour/tide/commits?since=2026-11-20T00%3A00%3A00Z&until=2026-11-23T00%3A00%3A00Z&per_page=100"
    )
    assert seen.headers["authorization"] == "Bearer s3cr3t"
    assert seen.headers["x-github-api-version"] == "2022-11-28"
    assert seen.headers["accept"] == "application/vnd.github+json"
    assert seen.headers["user-agent"].startswith("pipeline-platform/")
    assert "authorization" not in anonymous.headers


def test_pages_follow_the_link_header(collect: Collect, upstream: Upstream) -> None:
    following = f'<{upstream.url}/repositories/7/issues?after=Y3Vyc29y>; rel="next", <{upstream.url}/x>; rel="last"'
    upstream.reply(json.dumps([issue(2)]), Link=following)
    upstream.reply(json.dumps([issue(1)]), Link=f'<{upstream.url}/x>; rel="prev"')
    pages = collect("github_issues")
    assert upstream.seen[1].path == "/repositories/7/issues?after=Y3Vyc29y"
    assert [record.record_id for record in records(pages)] == [
        "github:harbour/tide:issue:2",
        "github:harbour/tide:issue:1",
    ]
    assert pages[0].request["params"]["state"] == "all"


def test_paging_stays_on_the_server(collect: Collect, upstream: Upstream) -> None:
    upstream.reply("[]", Link='<http://127.0.0.2:9/issues?page=2>; rel="next"')
    with pytest.raises(Malformed, match=r"127\.0\.0\.2"):
        collect("github_issues")


def test_both_streams_of_issues_share_one_answer(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps([issue(2)]), ETag='W/"abc"', Link=f'<{upstream.url}/more>; rel="next"')
    upstream.reply(json.dumps([issue(1)]), ETag='W/"def"')
    upstream.reply(b"", status=304, times=2)
    events, documents = collect("github_issues"), collect("github_issue_documents")
    assert records(events) == records(documents)
    assert [seen.headers.get("if-none-match") for seen in upstream.seen] == [None, None, 'W/"abc"', 'W/"def"']


def test_pull_requests_among_the_issues_are_left_out(collect: Collect, upstream: Upstream) -> None:
    upstream.reply(json.dumps([issue(3), issue(2, pull_request={"url": "…"}), issue(1)]))
    assert [record.payload["number"] for record in records(collect("github_issues"))] == [3, 1]


def test_pull_requests_are_read_until_the_window_begins(collect: Collect, upstream: Upstream) -> None:
    later = issue(5, "2026-11-25T00:00:00Z")
    changed = issue(4, "2026-11-21T00:00:00Z", created_at="2025-01-01T00:00:00Z")
    before = issue(2, "2026-11-19T23:59:59Z")
    upstream.reply(json.dumps([later, changed]), Link=f'<{upstream.url}/2>; rel="next"')
    upstream.reply(json.dumps([issue(3), {"number": None}, before]), Link=f'<{upstream.url}/3>; rel="next"')
    upstream.reply("[]")
    found = records(collect("github_pull_requests"))
    assert [record.payload["number"] for record in found] == [4, 3, None]
    assert found[2].record_id is None
    assert len(upstream.seen) == 2
    assert "sort=updated&direction=desc" in upstream.seen[0].path


def test_unchanged_counters_are_unchanged_payloads(collect: Collect, upstream: Upstream) -> None:
    for token in ("AAAA", "BBBB"):
        repository = sample("github_repositories")["repository"]
        upstream.reply(json.dumps(repository | {"temp_clone_token": token, "parent": {"temp_clone_token": token}}))
    first, second = records(collect("github_repositories")), records(collect("github_repositories"))
    assert first == second
    assert first[0].record_id == "github:harbour/tide:2026-11-22"
    assert first[0].event_time == datetime(2026, 11, 22, tzinfo=UTC)
    assert "temp_clone_token" not in repr(first)


def test_a_renamed_repository_is_followed(collect: Collect, upstream: Upstream) -> None:
    upstream.reply('{"message": "Moved Permanently"}', status=301, Location=f"{upstream.url}/repositories/4101")
    upstream.reply(json.dumps(sample("github_repositories")["repository"] | {"full_name": "harbour/tides"}))
    assert records(collect("github_repositories", "harbour/tide"))[0].record_id == "github:harbour/tides:2026-11-22"


def test_a_trending_list_is_ranked_over_its_pages(collect: Collect, upstream: Upstream) -> None:
    items = [{"full_name": f"a/{number}", "stargazers_count": 9 - number} for number in range(4)]
    body = {"total_count": 4, "incomplete_results": False}
    upstream.reply(
        json.dumps(body | {"items": items[:2]}), Link=f'<{upstream.url}/search/repositories?page=2>; rel="next"'
    )
    upstream.reply(json.dumps(body | {"items": items[2:]}), Link=f'<{upstream.url}/never>; rel="next"')
    found = records(collect("github_trending", "c++", trending_size=3, trending_days=7))
    assert [(parse("github_trending", record.payload)["rank"], record.record_id) for record in found] == [
        (rank, f"github:trending:c++:2026-11-22:a/{rank - 1}") for rank in (1, 2, 3)
    ]
    asked = httpx.URL(upstream.url + upstream.seen[0].path).params
    assert asked["q"] == 'created:>2026-11-15 language:"c++"'
    assert (asked["sort"], asked["order"], asked["per_page"]) == ("stars", "desc", "3")
    assert len(upstream.seen) == 2


# What answers mean


@pytest.mark.parametrize(
    ("stream", "status", "body"),
    [
        ("github_commits", 409, '{"message": "Git Repository is empty."}'),
        ("github_commits", 204, ""),
        ("github_commits", 200, "[]"),
        ("github_issues", 410, '{"message": "Issues are disabled for this repo"}'),
    ],
)
def test_nothing_there_is_no_failure(collect: Collect, upstream: Upstream, stream: str, status: int, body: str) -> None:
    upstream.reply(body, status=status)
    assert records(collect(stream)) == []


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        ("github_issues", '{"error": "no"}'),
        ("github_repositories", '{"error": "no"}'),
        ("github_repositories", "[]"),
        ("github_trending", '{"message": "no"}'),
        ("github_trending", "[]"),
        ("github_commits", "<html>"),
    ],
)
def test_another_body_than_promised_is_malformed(collect: Collect, upstream: Upstream, stream: str, body: str) -> None:
    upstream.reply(body)
    with pytest.raises(Malformed):
        collect(stream)


def test_an_incomplete_search_is_asked_again(collect: Collect, upstream: Upstream) -> None:
    upstream.reply('{"total_count": 9, "incomplete_results": true, "items": []}')
    upstream.reply('{"total_count": 0, "incomplete_results": false, "items": []}')
    assert records(collect("github_trending", "python")) == []
    assert len(upstream.seen) == 2


def test_spent_hour(collect: Collect, upstream: Upstream, clock: FakeClock) -> None:
    resets_at = clock.now().replace(microsecond=0) + timedelta(minutes=40)
    limits: dict[str, Any] = {"Limit": "60", "Remaining": "0", "Reset": f"{resets_at.timestamp():.0f}"}
    headers = {f"X-RateLimit-{name}": value for name, value in limits.items()}
    upstream.reply('{"message": "API rate limit exceeded for 192.0.2.1."}', status=403, **headers)
    with pytest.raises(QuotaExhausted, match="PIPELINE_GITHUB__TOKEN") as caught:
        collect("github_commits", token=None)
    assert caught.value.resets_at == resets_at
    with pytest.raises(QuotaExhausted):
        collect("github_issues", token=None)
    assert len(upstream.seen) == 1


def test_secondary_limit_is_waited_for(collect: Collect, upstream: Upstream, clock: FakeClock) -> None:
    upstream.reply('{"message": "You have exceeded a secondary rate limit."}', status=403, Retry_After="8")
    upstream.reply('{"message": "You have triggered an abuse detection mechanism."}', status=429)
    upstream.reply("[]")
    assert records(collect("github_commits")) == []
    assert sum(clock.sleeps) == pytest.approx(68, abs=1)


def answer(status: int, body: Any, path: str = "/repos/a/b", **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"https://api.github.com{path}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, httpx.Headers(names), content, url, {}, from_sandbox=False)


@pytest.mark.parametrize(
    ("response", "error", "said"),
    [
        (answer(202, {}), Transient, "computing"),
        (answer(401, {"message": "Bad credentials"}), Permanent, "PIPELINE_GITHUB__TOKEN"),
        (answer(403, {"message": "Must have push access"}, retry_after="30"), Permanent, "push access"),
        (answer(403, {"message": "Missing or invalid User Agent string."}), Permanent, "User Agent"),
        (answer(403, b""), Permanent, "no reason"),
        (answer(404, {"message": "Not Found"}), Permanent, "absent or private"),
        (answer(409, {"message": "Repository is being created"}), Transient, "being created"),
        (answer(410, {"message": "Gone"}), Permanent, "disabled"),
        (answer(422, {"message": "Validation Failed"}), Permanent, "Validation Failed"),
        (answer(429, b"<html>"), Transient, "too many"),
        (answer(451, {"message": "Repository access blocked"}), Permanent, "legal"),
    ],
    ids=lambda value: getattr(value, "status", ""),
)
def test_statuses(response: Response, error: type[SourceError], said: str) -> None:
    found = diagnose(response)
    assert type(found) is error
    assert said in str(found)


@pytest.mark.parametrize(("reset", "wait"), [("1763812830", 30), ("1763812700", 1), ("1763816400", 60)])
def test_search_budget_is_back_within_a_minute(reset: str, wait: float) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-resource": "search", "date": "Sat, 22 Nov 2025 12:00:00 GMT"}
    found = diagnose(answer(403, {"message": "API rate limit exceeded"}, **headers, **{"x-ratelimit-reset": reset}))
    assert isinstance(found, Transient)
    assert found.wait_seconds == wait


@pytest.mark.parametrize("reset", ["soon", "-1", "1e300", "nan"])
def test_a_reset_that_is_no_time_is_unknown(reset: str) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    found = diagnose(answer(403, {"message": "API rate limit exceeded"}, **headers))
    assert isinstance(found, QuotaExhausted)
    assert found.resets_at is None


@pytest.mark.parametrize("body", [{"items": []}, []])
def test_success_is_no_error(body: Any) -> None:
    assert diagnose(answer(200, body, "/search/repositories")) is None
    assert diagnose(answer(500, {"error": "Server Error"})) is None


@pytest.mark.parametrize(
    ("start", "error"),
    [
        ("038-403", Permanent),
        ("041-202", Transient),
        ("051-401", Permanent),
        ("052-403", Transient),
        ("053-403", Permanent),
        ("070-404", Permanent),
        ("072-403", Permanent),
        ("074-401", Permanent),
    ],
)
def test_recorded_refusals(start: str, error: type[SourceError]) -> None:
    found = list(ERRORS.glob(f"{start}-*.json"))
    if not found:
        pytest.skip("the recordings are not beside the repository")
    taped = json.loads(found[0].read_bytes())
    headers = {name: value for name, value in taped["headers"].items() if name.lower().startswith(("x-rate", "retry"))}
    assert type(diagnose(answer(taped["status"], taped["body"], **headers))) is error


@pytest.mark.parametrize(
    "setting",
    [
        {"repositories": ["harbour"]},
        {"repositories": ["https://github.com/a/b"]},
        {"languages": ['a" stars:>1']},
        {"trending_size": 1001},
    ],
)
def test_watch_lists_are_checked(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GithubSettings(**setting)
