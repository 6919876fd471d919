"""What every stream with a re-check must keep: it asks for what it is given, and tells what was removed upstream."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from pipeline_platform.sandbox.faults import FaultPlan
from pipeline_platform.sandbox.server import build_app
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources.base import Fetch, Known, Source, Stream
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collected, Collector, Envelope
from pipeline_platform.sources.registry import all_streams
from pipeline_platform_tests.contract.conftest import NOW, RECENT, Fetcher, Outcome, Sandbox

CHECKED = [(source, stream) for source, stream in all_streams() if stream.recheck is not None]
LATER = NOW + timedelta(days=3)

every_checked_stream = pytest.mark.parametrize(
    ("source", "stream"), CHECKED, ids=[stream.name for _, stream in CHECKED]
)


def known_of(outcome: Outcome, stream: Stream) -> list[Known]:
    return [
        Known(record_id, envelope["event_time"], orjson.loads(envelope["payload"]))
        for record_id, envelope in outcome.envelopes[stream.name].items()
    ]


def check_again(
    source: Source, stream: Stream, known: list[Known], sandbox: Sandbox, fetcher: Fetcher, world: World, faults: str
) -> tuple[Collected, dict[str, Envelope]]:
    """What a re-check of `known` brings when the upstream shows `world`."""
    sandbox.serve(source)
    settings = sandbox.settings(source)
    plan = FaultPlan.parse(f"{source.name}:{faults}") if faults else None
    sandbox.gate.app = build_app(world, faults=plan, sources=(source,))
    kept: dict[str, Envelope] = {}
    fetcher.clock.advance((LATER - NOW).total_seconds())
    with SourceClient(source, settings, redis=fetcher.redis, cache_path=fetcher.cache, clock=fetcher.clock) as client:
        collector = Collector(
            source,
            stream,
            Fetch(client=client, settings=settings, window=RECENT, now=LATER),
            run_id="contract",
            first_moment=datetime(1970, 1, 1, tzinfo=UTC),
            sandbox=True,
            store=lambda rows: kept.update({row["record_id"]: row for row in rows}),
        )
        assert stream.recheck is not None
        collected = collector.take_pages("(re-check)", stream.recheck(collector.fetch, known))
    return collected, kept


def test_days_are_said_with_the_check() -> None:
    for _, stream in all_streams():
        assert (stream.recheck is None) == (stream.recheck_days == 0), stream.name


@every_checked_stream
def test_what_the_upstream_removed_comes_without_its_content(
    source: Source,
    stream: Stream,
    sandbox: Sandbox,
    fetcher: Fetcher,
    clean_outcomes: Mapping[str, Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = known_of(clean_outcomes[source.name], stream)
    # So many that some of every stream are among them.
    monkeypatch.setattr("pipeline_platform.sandbox.world.REMOVED_SHARE", 0.3)
    world = World(seed=sandbox.world.seed, scale=sandbox.world.scale, now=lambda: LATER)
    collected, kept = check_again(source, stream, known, sandbox, fetcher, world, "")
    assert collected.failures == []
    assert kept.keys() <= {one.record_id for one in known}
    told = truth(world, RECENT.start.date(), NOW.date())["removed"]
    removed = {row["record_id"] for row in told} & {one.record_id for one in known}
    assert removed or source.name not in {row["source"] for row in told}
    rows = {one.record_id: stream.parse(one.payload) for one in known if one.record_id in removed}
    for record_id in removed:
        row = stream.parse(orjson.loads(kept[record_id]["payload"]))
        assert row["is_deleted"]
        assert not row.get("title")
        assert not row.get("text")
        written = [rows[record_id][name] for name in ("title", "text") if rows[record_id].get(name)]
        assert not any(orjson.dumps(text).decode() in kept[record_id]["payload"] for text in written)
    for one in known:
        if one.record_id in kept and one.record_id not in removed and one.event_time <= NOW - timedelta(minutes=1):
            assert kept[one.record_id]["event_time"] in (one.event_time, LATER), "it stays on its day"


@every_checked_stream
@pytest.mark.parametrize("faults", ["503", "403", "malformed", "empty", "wrongtypes", "error200", "429=600"])
def test_a_check_that_fails_removes_nothing(
    source: Source,
    stream: Stream,
    faults: str,
    sandbox: Sandbox,
    fetcher: Fetcher,
    clean_outcomes: Mapping[str, Outcome],
) -> None:
    known = known_of(clean_outcomes[source.name], stream)[:150]
    collected, kept = check_again(source, stream, known, sandbox, fetcher, sandbox.world, faults)
    if faults != "wrongtypes":
        assert len(collected.failures) == 1
    for envelope in kept.values():
        payload = orjson.loads(envelope["payload"])
        try:
            assert not stream.parse(payload).get("is_deleted")
        except (KeyError, TypeError, ValueError):
            continue
