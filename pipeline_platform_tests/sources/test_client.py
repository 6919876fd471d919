import gzip
import json
import logging
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline_platform.sources.base import Budget
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.transfer import TransferLimits
from pipeline_platform_tests.sources.conftest import SECRET, FakeClock, KeyedSettings, Upstream

Make = Callable[..., SourceClient]


def test_gives_the_answer_with_its_request(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply('{"rows": [1, 2]}', X_Pipeline_Sandbox="1", ETag='"1"')
    response = client.get("/rows", params={"page": 2, "api_key": SECRET, "none": None})
    assert response.json() == {"rows": [1, 2]}
    assert (response.status, response.from_sandbox, response.not_modified) == (200, True, False)
    assert response.headers["etag"] == '"1"'
    assert response.request == {
        "method": "GET",
        "url": f"{upstream.url}/rows",
        "params": {"page": 2, "api_key": "***"},
    }
    assert json.dumps(response.request)
    assert response.url == f"{upstream.url}/rows?page=2&api_key=***"


def test_names_the_software_and_asks_for_json(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply()
    client.get("rows")
    headers = upstream.seen[0].headers
    assert headers["user-agent"].startswith("pipeline-platform/")
    assert "github.com/pipeline-platform" in headers["user-agent"]
    assert headers["accept"] == "application/json"


def test_keeps_the_path_of_the_base_address(upstream: Upstream, make_client: Make) -> None:
    upstream.reply()
    make_client(settings=KeyedSettings(base_url=f"{upstream.url}/proxy/v2/")).get("/rows")
    assert upstream.seen[0].path == "/proxy/v2/rows"


def test_takes_another_accept_and_then_any_body(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply("<rss>\xe4</rss>".encode("latin-1"), kind="text/xml; charset=iso-8859-1")
    response = client.get("/feed", headers={"Accept": "application/rss+xml, */*;q=0.1"})
    assert upstream.seen[0].headers["accept"] == "application/rss+xml, */*;q=0.1"
    assert response.text == "<rss>ä</rss>"
    with pytest.raises(Malformed, match="XML instead of JSON"):
        response.json()


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("<!DOCTYPE html><p>Blocked", "text/html", "HTML instead of JSON"),
        ("<html><body>x", "application/json", "HTML instead of JSON"),
        ('<?xml version="1.0"?><a/>', "text/xml", "XML instead of JSON"),
        ("", "application/json", "an empty body instead of JSON"),
        ('{"rows": [1, 2', "application/json", "JSON that is cut off"),
        ('{"rows": [1, oops]}', "application/json", "broken JSON"),
        ("Too many requests, slow down", "text/plain", "plain text instead of JSON"),
    ],
)
def test_body_that_is_no_json_is_malformed_after_one_more_try(
    upstream: Upstream, client: SourceClient, body: str, kind: str, message: str
) -> None:
    upstream.reply(body, kind=kind)
    with pytest.raises(Malformed, match=message):
        client.get("/rows")
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("body", [b'{"text": "a \\ud83d b"}', b'\xef\xbb\xbf{"text": "a \\ud83d b"}'])
def test_lone_surrogates_and_byte_order_marks_do_not_cost_the_page(
    upstream: Upstream, client: SourceClient, body: bytes
) -> None:
    upstream.reply(body)
    assert client.get("/rows").json() == {"text": "a \ud83d b"}


def test_endless_nesting_is_malformed(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(Malformed, match="broken JSON"):
        client.get("/rows")


def test_body_that_was_cut_off_heals(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply('{"rows": [1')
    upstream.reply('{"rows": [1]}')
    assert client.get("/rows").json() == {"rows": [1]}


def test_answer_without_content_is_no_failure(upstream: Upstream, client: SourceClient) -> None:
    upstream.act(lambda handler: (handler.send_response(204), handler.end_headers()))
    assert client.get("/rows").content == b""


def test_transfer_that_breaks_off_is_transient(upstream: Upstream, client: SourceClient) -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"rows": [')
        handler.close_connection = True

    upstream.act(break_off)
    with pytest.raises(Transient):
        client.get("/rows")
    assert len(upstream.seen) == 3


def test_refused_connection_is_transient(make_client: Make) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Transient, match="ConnectError"):
        make_client(base_url=address).get("/rows")


def test_large_body_is_taken_whole(upstream: Upstream, client: SourceClient) -> None:
    body = b'["' + b"x" * (50 * 1024 * 1024) + b'"]'
    upstream.reply(body)
    response = client.get("/rows")
    assert len(response.content) == len(body)
    assert len(response.json()[0]) == 50 * 1024 * 1024


@pytest.mark.parametrize("announced", [True, False])
def test_body_over_the_limit_is_refused(upstream: Upstream, make_client: Make, announced: bool) -> None:
    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if announced:
            handler.send_header("Content-Length", "200000")
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"1" * 200_000)
        handler.close_connection = True

    upstream.act(pour)
    with pytest.raises(Malformed, match="over the limit of 100000"):
        make_client(limits=TransferLimits(max_body_bytes=100_000)).get("/rows")
    assert len(upstream.seen) == 1


def test_compressed_body_is_measured_unpacked(upstream: Upstream, make_client: Make) -> None:
    upstream.reply(gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip")
    with pytest.raises(Malformed, match="over the limit"):
        make_client(limits=TransferLimits(max_body_bytes=1_000_000)).get("/rows")


def test_body_with_a_wrong_encoding_is_malformed(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply(b"no gzip at all", Content_Encoding="gzip")
    with pytest.raises(Malformed, match="decompressed"):
        client.get("/rows")


@pytest.mark.parametrize("slow_part", ["headers", "body"])
def test_slow_bytes_run_into_the_deadline(upstream: Upstream, make_client: Make, slow_part: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        if slow_part == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.02)

    upstream.act(drip)
    started = time.monotonic()
    with pytest.raises(Transient, match=r"0\.1 s"):
        make_client(limits=TransferLimits(total_seconds=0.1)).get("/rows")
    assert time.monotonic() - started < 1.5
    assert len(upstream.seen) == 3


def test_silence_runs_into_the_read_timeout(upstream: Upstream, make_client: Make) -> None:
    upstream.act(lambda handler: time.sleep(0.3))
    with pytest.raises(Transient, match="ReadTimeout"):
        make_client(limits=TransferLimits(read_seconds=0.05)).get("/rows")


def test_diagnosis_finds_an_error_behind_status_200(upstream: Upstream, make_client: Make) -> None:
    def diagnose(response: Response) -> SourceError | None:
        said = response.json().get("error")
        return Permanent(f"the API says {said}, key {SECRET}") if said else None

    upstream.reply('{"error": "bad symbol"}')
    upstream.reply('{"ok": 1}')
    client = make_client(diagnose=diagnose)
    with pytest.raises(Permanent, match=r"bad symbol, key \*\*\*") as caught:
        client.get("/rows")
    assert caught.value.status == 200
    assert client.get("/rows").json() == {"ok": 1}


def test_diagnosis_outdoes_the_status(upstream: Upstream, make_client: Make, clock: FakeClock) -> None:
    def diagnose(response: Response) -> SourceError | None:
        return Transient("a rate limit in disguise") if response.status == 403 else None

    upstream.reply('{"message": "slow down"}', status=403, Retry_After="7")
    upstream.reply('{"ok": 1}')
    assert make_client(diagnose=diagnose).get("/rows").json() == {"ok": 1}
    assert clock.sleeps == [7]


@pytest.mark.parametrize(("status", "error"), [(200, Malformed), (404, Permanent), (502, Transient)])
def test_diagnosis_that_does_not_understand_the_body(
    upstream: Upstream, make_client: Make, status: int, error: type[SourceError]
) -> None:
    upstream.reply("[1, 2]", status=status)
    with pytest.raises(error):
        make_client(diagnose=lambda response: response.json()["error"]["code"]).get("/rows")


def test_diagnosis_sees_html_of_a_gateway(upstream: Upstream, make_client: Make) -> None:
    upstream.reply("<html>Bad gateway", status=502, kind="text/html")
    with pytest.raises(Transient, match="502 Bad Gateway"):
        make_client(diagnose=lambda response: response.json() and None).get("/rows")


class TestConditional:
    def test_304_gives_the_kept_body(self, upstream: Upstream, make_client: Make) -> None:
        upstream.reply('{"v": 1}', ETag='W/"a"', Last_Modified="Sun, 22 Nov 2026 10:00:00 GMT", Link="<x>; rel=next")
        upstream.reply(status=304, ETag='W/"a"', X_Fresh="1")
        make_client().get("/rows", params={"api_key": SECRET})
        response = make_client().get("/rows", params={"api_key": SECRET})
        assert upstream.seen[1].headers["if-none-match"] == 'W/"a"'
        assert upstream.seen[1].headers["if-modified-since"] == "Sun, 22 Nov 2026 10:00:00 GMT"
        assert (response.status, response.not_modified, response.json()) == (200, True, {"v": 1})
        assert response.headers["link"] == "<x>; rel=next"
        assert response.headers["x-fresh"] == "1"

    def test_changed_body_replaces_the_kept_one(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply('{"v": 1}', ETag='"a"')
        upstream.reply('{"v": 2}', ETag='"b"')
        upstream.reply(status=304)
        assert [client.get("/rows").json()["v"] for _ in range(3)] == [1, 2, 2]
        assert upstream.seen[2].headers["if-none-match"] == '"b"'

    def test_is_kept_apart_for_every_credential_address_and_accept(self, upstream: Upstream, make_client: Make) -> None:
        upstream.reply('{"v": 1}', ETag='"a"')
        client = make_client()
        client.get("/rows")
        make_client(settings=KeyedSettings(api_key=SecretStr("another key"))).get("/rows")
        client.get("/rows", params={"page": 2})
        client.get("/rows", headers={"Accept": "application/vnd.sample+json"})
        client.get("/rows", conditional=False)
        assert not any("if-none-match" in seen.headers for seen in upstream.seen)

    def test_error_with_status_200_is_not_kept(self, upstream: Upstream, make_client: Make) -> None:
        upstream.reply('{"error": 1}', ETag='"a"')
        client = make_client(diagnose=lambda response: Permanent("no") if "error" in response.json() else None)
        for _ in range(2):
            with pytest.raises(Permanent):
                client.get("/rows")
        assert "if-none-match" not in upstream.seen[1].headers

    def test_no_secret_on_disk(self, upstream: Upstream, client: SourceClient, tmp_path: Path) -> None:
        upstream.reply('{"v": 1}', ETag='"a"')
        client.get("/rows", params={"api_key": SECRET}, headers={"Authorization": f"Bearer {SECRET}"})
        client.close()
        kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir())
        assert b"etag" in kept
        assert b"s3cr3t" not in kept

    def test_broken_cache_makes_requests_unconditional(
        self, upstream: Upstream, make_client: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "sample.sqlite").write_bytes(b"no database" * 1000)
        upstream.reply('{"v": 1}', ETag='"a"')
        client = make_client()
        assert client.get("/rows").json() == {"v": 1}
        client.get("/rows")
        assert upstream.seen[-1].headers["if-none-match"] == '"a"'

    def test_folder_that_cannot_be_written_does_not_fail_requests(
        self, upstream: Upstream, make_client: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "cache").write_text("a file where the folder should be")
        upstream.reply('{"v": 1}', ETag='"a"')
        assert make_client().get("/rows").json() == {"v": 1}

    def test_304_that_was_not_asked_for_is_an_error(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply(status=304)
        with pytest.raises(Malformed, match="304"):
            client.get("/rows")


class TestRedirects:
    def test_on_the_same_host_is_followed(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply(status=301, Location="/new?x=1")
        upstream.reply('{"v": 1}')
        response = client.get("/old", headers={"Authorization": f"Bearer {SECRET}"})
        assert response.json() == {"v": 1}
        assert response.url.endswith("/new?x=1")
        assert upstream.seen[1].headers["authorization"] == f"Bearer {SECRET}"

    def test_to_another_host_is_refused(
        self, upstream: Upstream, client: SourceClient, serve: Callable[[], Upstream]
    ) -> None:
        other = serve()
        other.reply('{"v": 1}')
        upstream.reply(status=302, Location=f"{other.url}/rows?api_key={SECRET}")
        with pytest.raises(Permanent, match="another host") as caught:
            client.get("/rows", headers={"Authorization": f"Bearer {SECRET}"})
        assert other.seen == []
        assert SECRET not in str(caught.value)
        assert len(upstream.seen) == 1

    def test_in_a_circle_ends(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply(status=302, Location="/rows")
        with pytest.raises(Permanent, match="redirects more than 5 times"):
            client.get("/rows")

    def test_credentials_stay_at_home(
        self, upstream: Upstream, make_client: Make, serve: Callable[[], Upstream]
    ) -> None:
        other = serve()
        other.reply('{"v": 1}')
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        client = make_client()
        with pytest.raises(Permanent, match="PIPELINE_SAMPLE__BASE_URL"):
            client.get(f"{elsewhere}/rows", headers={"Authorization": f"Bearer {SECRET}"})
        with pytest.raises(Permanent):
            client.get(f"{elsewhere}/rows?k={SECRET.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}")
        assert other.seen == []
        assert client.get(f"{elsewhere}/rows").json() == {"v": 1}


def test_wrong_address_is_permanent(make_client: Make) -> None:
    with pytest.raises(Permanent, match="check the address"):
        make_client(base_url="").get("/rows")
    with pytest.raises(Permanent):
        make_client(base_url="http://host:port").get("/rows")


def test_proxies_of_the_environment_do_not_see_loopback(
    upstream: Upstream, make_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    upstream.reply('{"v": 1}')
    assert make_client().get("/rows").json() == {"v": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_secrets_are_in_no_error_traceback_or_log(
    upstream: Upstream, make_client: Make, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    upstream.reply(json.dumps({"message": f"the key {SECRET} is not valid"}), status=status)
    client = make_client()
    with pytest.raises(SourceError) as caught:
        client.get("/rows", params={"api_key": SECRET, "q": SECRET}, headers={"X-Auth": SECRET})
    written = client.redactor.trace(caught.value) + str(caught.value) + repr(vars(caught.value))
    # The start of the secret stands for all the ways of writing the rest of it.
    assert "s3cr3t" not in written
    assert "s3cr3t" not in caplog.text
    assert caught.value.request["params"] == {"api_key": "***", "q": "***"}  # type: ignore[attr-defined]
    assert caught.value.attempts == (3 if status == 500 else 1)  # type: ignore[attr-defined]


def test_permanent_errors_say_what_to_check(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply('{"message": "no"}', status=401)
    with pytest.raises(Permanent, match=r"401 Unauthorized.*Check PIPELINE_SAMPLE__API_KEY"):
        client.get("/rows")


class TestRequestsSession:
    """The way PRAW and Tweepy come."""

    def test_sends_through_the_client(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply('{"access_token": "t"}', X_Ratelimit_Remaining="595.0")
        session = client.requests_session()
        session.headers["User-Agent"] = "linux:pipeline-platform:0 prawcore/4"
        response = session.post(f"{upstream.url}/token", data={"grant_type": "x"}, auth=("id", SECRET))
        assert (response.status_code, response.json()) == (200, {"access_token": "t"})
        assert response.headers["x-ratelimit-remaining"] == "595.0"
        seen = upstream.seen[0]
        assert (seen.method, seen.body) == ("POST", b"grant_type=x")
        assert seen.headers["authorization"].startswith("Basic ")
        assert seen.headers["user-agent"] == "linux:pipeline-platform:0 prawcore/4"

    def test_default_agent_of_the_library_is_not_sent(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply()
        client.requests_session().get(upstream.url)
        assert upstream.seen[0].headers["user-agent"].startswith("pipeline-platform/")

    def test_compressed_bodies_arrive_decoded(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply(gzip.compress('{"t": "ü"}'.encode()), Content_Encoding="gzip")
        response = client.requests_session().get(upstream.url, stream=True)
        assert response.json() == {"t": "ü"}
        response.close()

    @pytest.mark.parametrize("status", [401, 302])
    def test_401_and_redirects_go_to_the_library(self, upstream: Upstream, client: SourceClient, status: int) -> None:
        upstream.reply("", status=status, Location="/subreddits/search?q=x", WWW_Authenticate="Bearer")
        response = client.requests_session().get(f"{upstream.url}/r/x", allow_redirects=False)
        assert response.status_code == status
        assert response.headers["location"] == "/subreddits/search?q=x"
        assert response.headers["www-authenticate"] == "Bearer"
        assert len(upstream.seen) == 1

    @pytest.mark.parametrize(
        ("status", "error", "times"),
        [(404, Permanent, 1), (403, Permanent, 1), (500, Transient, 3), (429, Transient, 3)],
    )
    def test_other_failures_raise_ours_after_our_retries(
        self, upstream: Upstream, client: SourceClient, status: int, error: type[SourceError], times: int
    ) -> None:
        upstream.reply("{}", status=status)
        with pytest.raises(error):
            client.requests_session().get(upstream.url)
        assert len(upstream.seen) == times

    def test_html_with_status_200_is_malformed(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply("<html>whoa there", kind="text/html")
        with pytest.raises(Malformed, match="HTML instead of JSON"):
            client.requests_session().get(upstream.url)

    def test_shares_the_budget(self, upstream: Upstream, make_client: Make) -> None:
        upstream.reply()
        client = make_client(budget=Budget(requests=6000, per_seconds=60, daily=2))
        session = client.requests_session()
        session.get(upstream.url)
        client.get("/rows")
        with pytest.raises(QuotaExhausted):
            session.get(upstream.url)

    def test_praw_reads_through_it(self, upstream: Upstream, client: SourceClient) -> None:
        import praw

        upstream.reply('{"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "*"}')
        upstream.reply("{}", status=503)
        upstream.reply(
            '{"kind": "Listing", "data": {"after": null, "children": '
            '[{"kind": "t3", "data": {"id": "a", "title": "T"}}]}}'
        )
        reddit = praw.Reddit(
            client_id="id",
            client_secret=SECRET,
            user_agent="linux:pipeline-platform:0.1 (by /u/somebody)",
            oauth_url=upstream.url,
            reddit_url=upstream.url,
            requestor_kwargs={"session": client.requests_session()},
            check_for_updates=False,
        )
        assert [post.title for post in reddit.subreddit("x").new(limit=5)] == ["T"]
        assert [seen.path.partition("?")[0] for seen in upstream.seen] == ["/api/v1/access_token", *["/r/x/new"] * 2]
