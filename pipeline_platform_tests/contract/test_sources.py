"""What every source must keep. A new one in `SOURCES` is covered as it is registered; nothing here names a source."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote, quote_plus, urlsplit

import orjson
import pandas as pd
import pytest
from cronsim import CronSim
from pydantic import BaseModel, SecretStr

from pipeline_platform.clean.cleaning import UNEXPLAINED, clean, quarantine
from pipeline_platform.sandbox.faults import FAULTS
from pipeline_platform.sandbox.recordings import load
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.schemas.kinds import KINDS, PLATFORM_COLUMNS
from pipeline_platform.sources.base import Domain, Source, SourceSettings, Stream, Window
from pipeline_platform.sources.errors import (
    CircuitOpen,
    Malformed,
    Permanent,
    QuotaExhausted,
    SourceError,
    Transient,
)
from pipeline_platform.sources.fields import FieldTable, leaves
from pipeline_platform.sources.limits import usage
from pipeline_platform.sources.policy import breaker_state
from pipeline_platform.sources.registry import SOURCES, all_streams
from pipeline_platform.sources.transfer import TransferLimits
from pipeline_platform_tests.contract.conftest import NOW, PAST_DAY, Fetcher, Outcome, Sandbox, tell_tale
from pipeline_platform_tests.contract.samples import cleaned_sample, sample_rows

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
EVER = Window(datetime(2010, 1, 1, tzinfo=UTC), NOW)
STREAMS = all_streams()

every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
every_stream = pytest.mark.parametrize(("source", "stream"), STREAMS, ids=[stream.name for _, stream in STREAMS])


# --- the declaration ---


@every_source
def test_declaration_says_who_the_upstream_is(source: Source) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", source.name)
    assert source.title.strip()
    assert source.domain in get_args(Domain)
    for address in (source.homepage, source.api_docs, source.base_url):
        assert urlsplit(address).scheme == "https"
        assert "." in (urlsplit(address).hostname or "")
    assert source.licence.strip()
    assert len(source.terms.split()) > 5, "say what may be kept, what must be deleted, what must be shown"


@every_source
def test_declaration_says_how_often_it_may_be_asked(source: Source) -> None:
    assert source.budget.requests > 0
    assert source.budget.per_seconds > 0
    assert source.budget.daily is None or source.budget.daily > 0
    ticks = CronSim(source.cadence, NOW)
    assert timedelta(minutes=1) <= next(ticks) - NOW <= timedelta(days=1), "at least once a day"


@every_source
def test_credentials_are_secret_settings_and_say_how_to_get_one(source: Source) -> None:
    fields = source.settings.model_fields
    for credential in source.credentials:
        assert SecretStr in get_args(fields[credential.setting].annotation)
        assert fields[credential.setting].default is None
        assert len(credential.how.split()) > 2
        assert re.search(r"\w\.\w+/", credential.how), "name the page where it is given"
    secrets = {name for name, field in fields.items() if SecretStr in (field.annotation, *get_args(field.annotation))}
    assert secrets == {credential.setting for credential in source.credentials}, "every secret is a credential"


@every_source
def test_settings_are_described_and_have_defaults(source: Source) -> None:
    assert issubclass(source.settings, SourceSettings)
    for name, field in source.settings.model_fields.items():
        assert (field.description or "").strip(), f"{source.name}: {name} has no description"
        assert not field.is_required(), f"{source.name}: {name} has no default"
    assert source.settings.model_config["extra"] == "forbid"


def test_names_of_sources_and_streams_are_unique() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    streams = [stream.name for _, stream in STREAMS]
    assert len(set(streams)) == len(streams)


@every_stream
def test_stream_is_declared_whole(source: Source, stream: Stream) -> None:
    assert re.fullmatch(rf"{source.name}_[a-z][a-z0-9_]*", stream.name)
    assert stream.kind in KINDS
    assert stream.description.strip().endswith(".")
    assert stream.history in ("replayable", "now_only")
    assert 1 <= stream.lookback_days <= 31
    assert callable(stream.max_pages) or stream.max_pages >= 1
    if stream.opt_in:
        assert not source.settings.model_fields[stream.opt_in].get_default(call_default_factory=True)
        assert list(stream.targets(source.settings())) == [], "what costs money is off until it is asked for"
    else:
        assert list(stream.targets(source.settings())), "the defaults watch something"
    assert stream.sample.target.strip()
    assert stream.sample.payloads


@every_stream
def test_samples_are_understood(source: Source, stream: Stream) -> None:
    for payload in stream.sample.payloads:
        record_id, moment = stream.identify(payload)
        assert record_id.startswith(f"{source.name}:")
        assert record_id.isprintable()
        assert " " not in record_id
        assert moment is None or moment.utcoffset() == timedelta(0)
        assert json.loads(orjson.dumps(payload)) == payload, "what is kept is what was received"
    assert any(stream.identify(payload)[1] for payload in stream.sample.payloads), "one of them has a date"


@every_stream
def test_samples_become_rows_without_a_reject(source: Source, stream: Stream) -> None:
    raw = sample_rows(source, stream)
    result = cleaned_sample(source, stream)
    assert len(raw) == len(stream.sample.payloads)
    assert result.rejected["reason"].tolist() == []
    assert result.rows[KINDS[stream.kind].key].tolist() == raw["record_id"].tolist()
    assert result.rows[KINDS[stream.kind].event_time].notna().all()


@every_stream
def test_every_filled_column_says_where_it_comes_from(source: Source, stream: Stream) -> None:
    given = {*KINDS[stream.kind].columns, "author"} - {*PLATFORM_COLUMNS, "author_id", "canonical_url", "content_hash"}
    assert set(stream.fields) <= given
    for payload in stream.sample.payloads:
        filled = {name for name, value in stream.parse(payload).items() if value is not None}
        assert filled - set(stream.fields) == set(), "name the upstream field, or write (computed), (always …)"


# --- fetching from the sandbox ---


@every_source
def test_every_stream_brings_records(source: Source, clean_outcomes: Mapping[str, Outcome]) -> None:
    outcome = clean_outcomes[source.name]
    for stream in source.streams:
        collected = outcome.collected[stream.name]
        assert [str(failure.error) for failure in collected.failures] == []
        assert collected.records > 0
        assert collected.before_start == 0
        for record_id, envelope in outcome.envelopes[stream.name].items():
            assert record_id.startswith(f"{source.name}:")
            assert envelope["is_sandbox"]
            request = orjson.loads(envelope["request"])
            assert set(request) >= {"method", "url"}


@every_source
def test_records_are_identified_by_their_payload_alone(source: Source, clean_outcomes: Mapping[str, Outcome]) -> None:
    for stream in source.streams:
        for record_id, envelope in clean_outcomes[source.name].envelopes[stream.name].items():
            try:
                told, moment = stream.identify(orjson.loads(envelope["payload"]))
            except (KeyError, TypeError, ValueError):
                continue
            assert told == record_id
            if moment is not None and moment <= NOW:
                assert envelope["event_time"] == moment


@every_source
def test_mapped_fields_exist(source: Source, clean_outcomes: Mapping[str, Outcome]) -> None:
    """A misspelt path would call a field unmapped that is used."""
    for stream in source.streams:
        fetched = clean_outcomes[source.name].envelopes[stream.name].values()
        payloads = [*stream.sample.payloads, *(orjson.loads(envelope["payload"]) for envelope in fetched)]
        seen = {path for payload in payloads for path in leaves(payload)}
        for path in FieldTable(stream.fields).mapped:
            assert any(FieldTable({"": path}).covers(one) for one in seen), f"{stream.name}: no payload has {path}"


@every_source
def test_what_is_fetched_keeps_the_contracts(source: Source, clean_outcomes: Mapping[str, Outcome]) -> None:
    total: Counter[str] = Counter()
    for stream in source.streams:
        raw = frame_of(source, stream, clean_outcomes[source.name])
        rows, rejected = cleaned_and_rejected(source, stream, raw)
        assert rows > 0
        assert rows + rejected == len(raw)
        total.update(rows=rows, rejected=rejected)
    assert total["rejected"] < 0.1 * total["rows"], "the sandbox breaks few rows on purpose"


@every_source
def test_a_second_fetch_brings_the_same(
    source: Source, sandbox: Sandbox, fetcher: Fetcher, clean_outcomes: Mapping[str, Outcome]
) -> None:
    expected = clean_outcomes[source.name].hashes
    sandbox.serve(source)
    settings = sandbox.settings(source)
    assert fetcher.fetch(source, settings).hashes == expected
    assert fetcher.fetch(source, settings).hashes == expected, "with the answers kept for conditional requests"


REPLAYABLE = [(source, stream) for source, stream in STREAMS if stream.history == "replayable"]


@pytest.mark.parametrize(("source", "stream"), REPLAYABLE, ids=[stream.name for _, stream in REPLAYABLE])
def test_a_replayable_stream_brings_a_past_day_again(
    source: Source, stream: Stream, sandbox: Sandbox, fetcher: Fetcher
) -> None:
    """All of the day and nothing later; what is older may come along where it changed on that day."""
    sandbox.serve(source)
    settings = sandbox.settings(source)
    around = fetcher.fetch(source, settings, window=Window(PAST_DAY.start, NOW), streams=(stream,))
    outcome = fetcher.fetch(source, settings, window=PAST_DAY, streams=(stream,))
    assert failures_of(outcome) == []
    moments = {name: envelope["event_time"] for name, envelope in outcome.envelopes[stream.name].items()}
    expected = {name for name, envelope in around.envelopes[stream.name].items() if envelope["event_time"] in PAST_DAY}
    assert expected
    assert {name for name, moment in moments.items() if moment in PAST_DAY} == expected
    assert [moment for moment in moments.values() if PAST_DAY.end <= moment != NOW] == []


@every_source
def test_every_request_is_counted(source: Source, sandbox: Sandbox, fetcher: Fetcher) -> None:
    sandbox.serve(source)
    settings = sandbox.settings(source)
    assert usage(source, fetcher.redis, settings, fetcher.clock).used_today == 0
    fetcher.fetch(source, settings)
    used = usage(source, fetcher.redis, settings, fetcher.clock)
    assert used.used_today == sandbox.gate.requests[source.name] > 0
    assert used.daily == settings.requests_per_day


@every_source
def test_no_credential_is_written_down(
    source: Source, sandbox: Sandbox, fetcher: Fetcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sandbox.serve(source)
    settings = sandbox.settings(source)
    outcome = fetcher.fetch(source, settings)
    assert sum(collected.records for collected in outcome.collected.values()) > 0
    assert_no_credential(source, settings, outcome, caplog.text)
    kept = b"".join(path.read_bytes() for path in fetcher.cache.rglob("*") if path.is_file())
    for form in credential_forms(source, settings):
        assert form.encode() not in kept


# --- faults ---

HURRIED = TransferLimits(read_seconds=0.5)
SHORT = TransferLimits(total_seconds=0.3)
SMALL = TransferLimits(max_body_bytes=2_000_000)

PASSING: dict[str, TransferLimits | None] = {
    "timeoutx1": HURRIED,
    "truncatex1": None,
    "malformedx1": None,
    "emptyx1": None,
    "slow=0.02x3": None,
    "429x1": None,
    "429=7x2": None,
    "500x2": None,
    "503=5x1": None,
}
"""Faults that end by themselves within the attempts of one request."""

LASTING: dict[str, tuple[TransferLimits | None, tuple[type[SourceError], ...]]] = {
    "timeout": (HURRIED, (Transient,)),
    "truncate": (None, (Transient, Malformed)),
    "malformed": (None, (Malformed, Permanent)),
    "empty": (None, (Malformed,)),
    "wrongtypes": (None, (Malformed, Permanent)),
    "error200": (None, (Transient, QuotaExhausted, Permanent, Malformed)),
    "slow=1": (SHORT, (Transient,)),
    "endless": (None, (Malformed,)),
    "huge=3": (SMALL, (Malformed,)),
    "401": (None, (Permanent,)),
    "403": (None, (Permanent,)),
    "404": (None, (Permanent,)),
    "429": (None, (Transient, QuotaExhausted)),
    "429=7": (None, (Transient, QuotaExhausted)),
    "429=600": (None, (QuotaExhausted,)),
    "500": (None, (Transient,)),
    "503": (None, (Transient,)),
}
"""Faults that do not end, and the errors that fit them; an open breaker fits whatever opened it."""

MAY_BE_BORNE = ("endless", "wrongtypes")
"""A source may do without pages; and where a page is read at all, wrong types are for the quarantine to tell."""

OPENING = ("timeout", "slow", "429", "500", "503")
"""Faults that open the breaker wherever they hit."""

PAGES = 6


def test_every_fault_of_the_sandbox_is_tried() -> None:
    assert {fault_name(spec) for spec in LASTING} >= set(FAULTS)


@every_source
@pytest.mark.parametrize("spec", PASSING)
def test_a_fault_that_passes_costs_no_record(
    source: Source,
    spec: str,
    sandbox: Sandbox,
    fetcher: Fetcher,
    clean_outcomes: Mapping[str, Outcome],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    expected = clean_outcomes[source.name].hashes
    sandbox.serve(source, spec)
    settings = sandbox.settings(source)
    outcome = fetcher.fetch(source, settings, limits=PASSING[spec])
    assert failures_of(outcome) == []
    assert outcome.hashes == expected
    assert_counted_and_silent(source, settings, sandbox, fetcher, outcome, caplog)
    assert breaker_state(source, fetcher.redis, fetcher.clock) == "closed"


@every_source
@pytest.mark.parametrize("spec", LASTING)
def test_a_fault_that_lasts_is_told_and_healed(
    source: Source,
    spec: str,
    sandbox: Sandbox,
    fetcher: Fetcher,
    clean_outcomes: Mapping[str, Outcome],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    expected = clean_outcomes[source.name].hashes
    limits, fitting = LASTING[spec]
    sandbox.serve(source, spec)
    settings = sandbox.settings(source)

    outcome = fetcher.fetch(source, settings, limits=limits, max_pages=PAGES)

    for stream in source.streams:
        collected = outcome.collected[stream.name]
        targets = list(stream.targets(settings))
        assert sorted([*collected.whole, *(failure.target for failure in collected.failures)]) == sorted(targets)
        if fault_name(spec) not in MAY_BE_BORNE:
            assert collected.whole == []
            assert outcome.envelopes[stream.name] == {}
        rows, rejected = cleaned_and_rejected(source, stream, frame_of(source, stream, outcome))
        assert rows + rejected == len(outcome.envelopes[stream.name])
    for error in failures_of(outcome):
        assert isinstance(error, (*fitting, CircuitOpen)), repr(error)
        assert str(error).strip()
    assert_breaker_shown(source, spec, fetcher, outcome)
    assert_counted_and_silent(source, settings, sandbox, fetcher, outcome, caplog)

    sandbox.serve(source)
    fetcher.clock.advance(3600)
    healed = fetcher.fetch(source, settings)
    assert failures_of(healed) == []
    assert healed.hashes == expected
    assert breaker_state(source, fetcher.redis, fetcher.clock) == "closed"


# --- recorded payloads of the real upstreams ---


@every_source
@pytest.mark.skipif(not (RECORDINGS / "INDEX.json").is_file(), reason=f"no recordings at {RECORDINGS}")
def test_every_recorded_payload_is_a_row_or_a_reject(source: Source, sandbox: Sandbox, fetcher: Fetcher) -> None:
    if not load(RECORDINGS, source.name):
        pytest.skip(f"nothing was recorded of {source.title}")
    sandbox.serve(source, recordings=RECORDINGS)
    settings = sandbox.settings(source, disguised=False)
    if not settings.enabled:
        pytest.skip(f"nothing of {source.name} was recorded")
    total = 0
    for stream in source.streams:
        outcome = each_target(source, stream, settings, fetcher)
        raw = frame_of(source, stream, outcome)
        rows, rejected = cleaned_and_rejected(source, stream, raw)
        assert rows + rejected == len(raw)
        for error in failures_of(outcome):
            assert not isinstance(error, CircuitOpen)
        total += rows
    assert total > 0


# --- what the tests above have in common ---


def fault_name(spec: str) -> str:
    return re.split(r"[=@]", spec)[0]


def failures_of(outcome: Outcome) -> list[SourceError]:
    return [failure.error for collected in outcome.collected.values() for failure in collected.failures]


def frame_of(source: Source, stream: Stream, outcome: Outcome) -> pd.DataFrame:
    return raw_table(source, stream).frame(list(outcome.envelopes[stream.name].values()))


def cleaned_and_rejected(source: Source, stream: Stream, raw: pd.DataFrame) -> tuple[int, int]:
    """How many raw records became rows, and how many the quarantine explains."""
    table = cleaned_table(source, stream)
    result = clean(raw, stream, table, lambda _, author: author)
    rejected = quarantine(raw, result.rows[table.key[0]].tolist(), stream, table, lambda _, author: author)
    assert UNEXPLAINED not in set(rejected["rule"])
    assert len(rejected) == len(result.rejected)
    return len(result.rows), len(rejected)


def each_target(source: Source, stream: Stream, settings: Any, fetcher: Fetcher) -> Outcome:
    """Every target by itself, so that recorded errors in a row do not open the breaker on the next target."""
    envelopes: dict[str, Any] = {}
    collected = None
    for target in stream.targets(settings):
        fetcher.redis.flushall()
        outcome = fetcher.fetch(source, settings, window=EVER, streams=(only(stream, target),))
        envelopes |= outcome.envelopes[stream.name]
        found = outcome.collected[stream.name]
        if collected is None:
            collected = found
        else:
            collected.failures += found.failures
    assert collected is not None
    return Outcome({stream.name: envelopes}, {stream.name: collected})


def only(stream: Stream, target: str) -> Stream:
    from dataclasses import replace

    return replace(stream, targets=lambda _: [target])


def credential_forms(source: Source, settings: BaseModel) -> set[str]:
    """The ways in which the credentials of `settings` could be written down."""
    values = [
        tell_tale(source, credential.setting)
        for credential in source.credentials
        if getattr(settings, credential.setting) is not None
    ]
    forms: set[str] = set()
    for value in values:
        forms |= {
            value,
            quote(value),
            quote(value, safe=""),
            quote_plus(value),
            base64.b64encode(value.encode()).decode(),
        }
    for one, other in permutations(values, 2):
        forms.add(base64.b64encode(f"{one}:{other}".encode()).decode())
    return forms


def assert_no_credential(source: Source, settings: BaseModel, outcome: Outcome, logged: str) -> None:
    written = [logged]
    written += [str(envelope["request"]) for kept in outcome.envelopes.values() for envelope in kept.values()]
    for collected in outcome.collected.values():
        for failure in collected.failures:
            written += [str(failure.error), repr(failure.error), failure.traceback, json.dumps(failure.error.request)]
    everything = "\n".join(written)
    for form in credential_forms(source, settings):
        assert form not in everything


def assert_counted_and_silent(
    source: Source,
    settings: SourceSettings,
    sandbox: Sandbox,
    fetcher: Fetcher,
    outcome: Outcome,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every request that reached the upstream is in the budget, and no credential is written down."""
    used = usage(source, fetcher.redis, settings, fetcher.clock).used_today
    assert used == sandbox.gate.requests[source.name]
    assert_no_credential(source, settings, outcome, caplog.text)


def assert_breaker_shown(source: Source, spec: str, fetcher: Fetcher, outcome: Outcome) -> None:
    """The operator is shown an open breaker when requests failed too often in a row, and a closed one otherwise."""
    errors = failures_of(outcome)
    shown = breaker_state(source, fetcher.redis, fetcher.clock)
    if fault_name(spec) in OPENING and not any(isinstance(error, QuotaExhausted) for error in errors):
        assert shown in ("open", "half-open")
        # Targets that are asked side by side may all have failed by themselves before it opened.
        assert source.concurrency > 1 or any(isinstance(error, CircuitOpen) for error in errors)
    if any(isinstance(error, CircuitOpen) for error in errors):
        assert shown in ("open", "half-open")
    if all(isinstance(error, Permanent | QuotaExhausted) for error in errors):
        assert shown == "closed"
