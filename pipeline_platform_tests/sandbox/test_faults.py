"""Faults are read from their form, and each of them goes over a real socket."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.faults import Fault, FaultInjector, FaultPlan, FaultSpecError
from pipeline_platform.sandbox.server import running

BODY = {"name": "tidepool", "stars": 12, "topics": ["a", None], "fork": False}


@contextmanager
def upstreams(spec: str) -> Iterator[httpx.Client]:
    """Two upstreams, `code` and `talk`, with the faults of `spec`; `talk` has words for errors with status 200."""

    def items(request: Request) -> Response:
        if request.headers.get("if-none-match") == '"1"':
            return Response(status_code=304)
        return JSONResponse({**BODY, "endless": getattr(request.state, "endless", False)}, headers={"ETag": '"1"'})

    app = Starlette(
        routes=[Route("/{path:path}", items, methods=["GET", "POST"])],
        middleware=[
            Middleware(
                FaultInjector,
                plan=FaultPlan.parse(spec),
                rng=random.Random(1),
                error_bodies={"talk": lambda: {"json": {"errors": [["RATELIMIT"]]}}},
            )
        ],
    )
    with running(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        yield client


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        ("", ()),
        ("reddit:429", (Fault("reddit", "429", None, 1, None),)),
        ("reddit:429=7", (Fault("reddit", "429", 7, 1, None),)),
        ("github:500x3, rss:truncate", (Fault("github", "500", None, 1, 3), Fault("rss", "truncate", None, 1, None))),
        ("*:slow=0.1 *:500@0.1x5", (Fault("*", "slow", 0.1, 1, None), Fault("*", "500", None, 0.1, 5))),
        ("github/repos/a/b:404", (Fault("github/repos/a/b", "404", None, 1, None),)),
        ("rss:huge", (Fault("rss", "huge", 50, 1, None),)),
    ],
)
def test_the_form_of_a_specification(spec: str, faults: tuple[Fault, ...]):
    assert FaultPlan.parse(spec).faults == faults


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("reddit", "write SCOPE:FAULT"),
        ("reddit:", "write SCOPE:FAULT"),
        ("reddit:500y3", "write SCOPE:FAULT"),
        ("reddit:500x", "write SCOPE:FAULT"),
        ("reddit:200", "from 400 to 599"),
        ("reddit:explode", "no fault is called 'explode'"),
        ("reddit:500@1.5", r"must lie in \(0, 1\]"),
        ("reddit:500@0", r"must lie in \(0, 1\]"),
        ("reddit:500@0.1.2", "is no number"),
        ("reddit:500x1x2", "stands twice"),
        ("reddit:empty=3", "takes no value"),
    ],
)
def test_what_cannot_be_read_is_explained(spec: str, complaint: str):
    with pytest.raises(FaultSpecError, match=complaint):
        FaultPlan.parse(f"rss:404,{spec}")


def test_a_scope_must_be_an_upstream():
    FaultPlan.parse("*:500,reddit/r/a:404").check_scopes(["reddit"])
    with pytest.raises(FaultSpecError, match="no upstream is called 'redit'; there are reddit"):
        FaultPlan.parse("redit:500").check_scopes(["reddit"])


def test_a_count_ends_and_the_next_entry_follows():
    with upstreams("code:500x2,code:429=1x1") as client:
        answers = [client.get("/code/items") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [500, 500, 429, 200]
        assert answers[2].headers["retry-after"] == "1"
        assert client.get("/talk/items").status_code == 200


def test_429_without_retry_after():
    with upstreams("*:429") as client:
        answer = client.get("/code/items")
        assert answer.status_code == 429
        assert "retry-after" not in answer.headers


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500, 502, 503])
def test_statuses(status: int):
    with upstreams(f"code:{status}") as client:
        assert client.get("/code/items").status_code == status


def test_401_is_an_expired_token_and_leaves_the_grant_alone():
    with upstreams("code:401x1") as client:
        assert client.post("/code/api/v1/access_token").status_code == 200
        expired = client.get("/code/items")
        assert expired.status_code == 401
        assert 'error="invalid_token"' in expired.headers["www-authenticate"]
        assert client.get("/code/items").status_code == 200
    with upstreams("code/api/v1/access_token:401") as client:
        assert client.post("/code/api/v1/access_token").status_code == 401


def test_a_path_is_hit_alone():
    with upstreams("code/repos/a:404") as client:
        statuses = [
            client.get(path).status_code for path in ("/code/repos/a/issues", "/code/repos/ab", "/code/repos/a")
        ]
        assert statuses == [404, 200, 404]


def test_pages_of_the_sandbox_itself_are_never_hit():
    with upstreams("*:500") as client:
        assert client.get("/watch").status_code == 200
        assert client.get("/code/items").status_code == 500


def test_a_probability_hits_a_share():
    with upstreams("code:500@0.3") as client:
        hits = sum(client.get("/code/items").status_code == 500 for _ in range(200))
        assert 35 < hits < 85


def test_timeout_holds_the_connection_and_lets_the_server_stop():
    with upstreams("code:timeout") as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get("/code/items", timeout=0.2)
        assert client.get("/talk/items").status_code == 200


def test_truncate_is_half_of_the_body_even_for_a_known_etag():
    with upstreams("code:truncate") as client:
        whole = client.get("/talk/items").content
        answer = client.get("/code/items", headers={"If-None-Match": '"1"'})
        assert (answer.status_code, answer.content) == (200, whole[: len(whole) // 2])
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["etag"] == '"1"'


def test_malformed_is_html():
    with upstreams("code:malformed") as client:
        answer = client.get("/code/items")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.text.startswith("<!DOCTYPE html>")


def test_empty():
    with upstreams("code:empty") as client:
        answer = client.get("/code/items")
        assert (answer.status_code, answer.content) == (200, b"")


def test_wrong_types():
    with upstreams("code:wrongtypes") as client:
        told = client.get("/code/items").json()
        no = "not a number"
        assert told == {"name": 8, "stars": no, "topics": [1, ["not", "a", "value"]], "fork": no, "endless": no}


def test_error_with_status_200_in_the_words_of_the_upstream():
    with upstreams("*:error200") as client:
        assert client.get("/talk/items").json() == {"json": {"errors": [["RATELIMIT"]]}}
        assert client.get("/code/items").status_code == 200
        assert "error" in client.get("/code/items").json()


def test_slow_takes_its_time():
    with upstreams("code:slow=0.03") as client:
        begun = time.monotonic()
        assert client.get("/code/items").json()["name"] == "tidepool"
        assert time.monotonic() - begun >= 0.3
        with pytest.raises(httpx.ReadTimeout):
            client.get("/code/items", timeout=0.01)


def test_endless_is_told_to_the_upstream():
    with upstreams("code:endless") as client:
        assert client.get("/code/items").json()["endless"] is True
        assert client.get("/talk/items").json()["endless"] is False


def test_huge_is_valid_and_of_the_given_size():
    with upstreams("code:huge=3") as client:
        answer = client.get("/code/items")
        assert 3_000_000 < len(answer.content) < 3_100_000
        assert answer.json()["name"] == "tidepool"


def test_huge_can_be_left_early():
    with upstreams("code:huge") as client, client.stream("GET", "/code/items") as answer:
        assert len(next(answer.iter_bytes(1000))) == 1000
