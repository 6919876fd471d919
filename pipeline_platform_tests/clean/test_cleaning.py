"""Every raw record becomes one cleaned row or one rejected row that says why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_platform.clean import cleaning
from pipeline_platform.clean.cleaning import Cleaned, UnknownColumnsError, clean, quarantine, rules_broken
from pipeline_platform.schemas.catalog import quarantine_table
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.table import Table, schema_of
from pipeline_platform.sources.base import Fetch, Kind, Page, Sample, Stream

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def no_fetch(_fetch: Fetch[Any], _target: str) -> Iterator[Page]:
    return iter(())


def stream_of(kind: Kind, parse: Any) -> Stream:
    return Stream(
        name=f"town_{kind}",
        kind=kind,
        description="Things said in town.",
        history="replayable",
        lookback_days=1,
        targets=lambda _settings: [],
        fetch=no_fetch,
        identify=lambda payload: (payload["id"], None),
        parse=parse,
        fields={},
        sample=Sample("town", []),
    )


def table_of(kind: Kind) -> Table:
    schema = KINDS[kind]
    return Table(
        layer="cleaned",
        name=f"town_{kind}",
        description="",
        schema=schema_of(f"cleaned/town_{kind}", schema.columns, *schema.rules, key=(schema.key,)),
        key=(schema.key,),
    )


def parse_post(payload: dict[str, Any]) -> dict[str, Any]:
    row = {
        "document_id": payload["id"],
        "kind": payload.get("kind", "post"),
        "author": payload.get("author"),
        "title": payload.get("title"),
        "text": payload.get("text"),
        "url": payload.get("url"),
        "score": payload.get("score"),
        "replies": payload.get("replies"),
    }
    if "created" in payload:
        row["created_at"] = datetime.fromtimestamp(payload["created"], UTC)
    if "deleted" in payload:
        row["is_deleted"] = payload["deleted"]
    return row


def parse_bar(payload: dict[str, Any]) -> dict[str, Any]:
    prices = payload["prices"]
    return {
        "bar_id": payload["id"],
        "symbol": "bread",
        "asset_class": payload.get("asset_class", "commodity"),
        "interval": "1d",
        "opened_at": NOW - timedelta(hours=12),
        "open": prices[0],
        "high": prices[1],
        "low": prices[2],
        "close": prices[3],
        "currency": "EUR",
    }


def parse_event(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": payload["id"],
        "repository": "town/hall",
        "event_type": "issue",
        "author": payload["author"],
        "labels": payload.get("labels"),
        "occurred_at": NOW,
    }


POSTS, POSTS_TABLE = stream_of("documents", parse_post), table_of("documents")
BARS, BARS_TABLE = stream_of("market_bars", parse_bar), table_of("market_bars")
EVENTS, EVENTS_TABLE = stream_of("repo_events", parse_event), table_of("repo_events")


def pseudonym(source: str, author: str) -> str:
    return f"{source}/{author[::-1]}"


def raw_of(*payloads: Any, stream: Stream = POSTS) -> pd.DataFrame:
    """Raw records of `payloads`: objects that have an id, or the JSON text of a payload."""
    rows = []
    for number, payload in enumerate(payloads):
        named = isinstance(payload, dict) and isinstance(payload.get("id"), str)
        rows.append(
            {
                "record_id": payload["id"] if named else f"town:nameless-{number}",
                "source": "town",
                "stream": stream.name,
                "event_time": NOW - timedelta(hours=1),
                "fetched_at": NOW,
                "payload": orjson.dumps(payload).decode() if isinstance(payload, dict | list) else payload,
                "event_date": NOW.date(),
            }
        )
    columns = ["record_id", "source", "stream", "event_time", "fetched_at", "payload", "event_date"]
    return pd.DataFrame(rows, columns=columns)


GOOD = {"id": "town:1", "author": "ann", "title": "Fair", "text": "The fair opens.", "score": 3, "created": 1795341600}
QUARANTINE = quarantine_table("documents")


def cleaned(*payloads: Any) -> Cleaned:
    result = clean(raw_of(*payloads), POSTS, POSTS_TABLE, pseudonym)
    POSTS_TABLE.schema.validate(result.rows, lazy=True)
    QUARANTINE.schema.validate(result.rejected, lazy=True)
    assert len(result.rows) + len(result.rejected) == len(payloads)
    return result


def rejected(*payloads: Any) -> pd.Series:
    result = cleaned(*payloads)
    assert result.rows.empty
    return result.rejected.iloc[0]


def test_a_good_record_is_completed() -> None:
    row = cleaned(GOOD | {"url": "http://Town.example/fair?utm_source=x"}).rows.iloc[0]
    assert row["author_id"] == "town/nna"
    assert row["canonical_url"] == "https://town.example/fair"
    assert row["url"] == "http://Town.example/fair?utm_source=x"
    assert (row["source"], row["stream"], row["event_date"]) == ("town", POSTS.name, NOW.date())
    assert row["fetched_at"] == NOW
    assert not row["is_deleted"]
    assert not row["is_adult"]
    assert pd.isna(row["replies"])
    assert len(row["content_hash"]) == 32


def test_missing_time_is_the_event_time_of_the_record() -> None:
    row = cleaned({"id": "town:1", "title": "No date"}).rows.iloc[0]
    assert row["created_at"] == NOW - timedelta(hours=1)


@pytest.mark.parametrize("author", [None, "", " \t"])
def test_nobody_has_no_pseudonym(author: str | None) -> None:
    assert pd.isna(cleaned(GOOD | {"author": author}).rows["author_id"].iloc[0])


def test_no_records_give_empty_tables_with_every_column() -> None:
    result = cleaned()
    assert list(result.rows.columns) == POSTS_TABLE.columns
    assert list(result.rejected.columns) == QUARANTINE.columns


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"title": "x"}, "field 'id' is missing"),
        (GOOD | {"created": "soon"}, "field 'created' is str 'soon': TypeError"),
        (GOOD | {"created": None}, "field 'created' is NoneType None: TypeError"),
        (GOOD | {"created": 1e18}, "field 'created' is float 1e+18: "),
        ([], "the record is list []: TypeError"),
        ("null", "the record is NoneType None: TypeError"),
        ("7", "the record is int 7: TypeError"),
        ("<html>blocked</html>", "the payload is not JSON"),
        ('{"id": "town:1', "the payload is not JSON"),
        ("", "the payload is not JSON"),
        (None, "the record is NoneType None: TypeError"),
        ("[" * 5000 + "]" * 5000, "the payload is not JSON"),
    ],
)
def test_malformed_names_field_and_type(payload: Any, reason: str) -> None:
    row = rejected(payload)
    assert row["rule"] == "malformed"
    assert row["reason"].startswith(reason)


def test_a_nested_field_is_named_by_its_path() -> None:
    raw = raw_of({"id": "bar:1", "prices": [1.0, 2.0]}, stream=BARS)
    reason = clean(raw, BARS, BARS_TABLE, pseudonym).rejected["reason"].iloc[0]
    assert reason == "field 'prices[2]' is missing"
    stream = stream_of("documents", lambda payload: {"document_id": payload["a"][1]["b"] + "x"})
    reason = clean(raw_of({"id": "1", "a": [0, {"b": 5}]}), stream, POSTS_TABLE, pseudonym).rejected["reason"].iloc[0]
    assert reason.startswith("field 'a[1].b' is int 5: TypeError")


def test_an_optional_field_that_was_needed_is_named() -> None:
    stream = stream_of("documents", lambda payload: {"document_id": payload["id"], "score": payload.get("votes") + 1})
    reason = clean(raw_of({"id": "1"}), stream, POSTS_TABLE, pseudonym).rejected["reason"].iloc[0]
    assert reason.startswith("field 'votes' is missing: TypeError")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"score": "12"}, "score: str '12' is not a whole number"),
        ({"score": True}, "score: bool True is not a whole number"),
        ({"score": 2**63}, "score: int 9223372036854775808 is not within 64 bits"),
        ({"title": {"html": "x"}}, "title: dict {'html': 'x'} is not a text"),
        ({"author": 5}, "author: int 5 is not a text"),
        ({"deleted": 1}, "is_deleted: int 1 is not true or false"),
    ],
)
def test_wrong_type_rejects_its_row_and_no_other(fields: dict[str, Any], reason: str) -> None:
    result = cleaned(GOOD, GOOD | {"id": "town:2"} | fields, GOOD | {"id": "town:3"})
    assert result.rows["document_id"].tolist() == ["town:1", "town:3"]
    assert result.rejected[["record_id", "rule", "reason"]].values.tolist() == [["town:2", "wrong_type", reason]]


def test_every_wrong_type_is_told() -> None:
    row = rejected(GOOD | {"score": "1", "replies": 1.5})
    assert row["reason"] == "replies: float 1.5 is not a whole number; score: str '1' is not a whole number"
    assert list(row["rules"]) == ["wrong_type"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_rejected(number: str) -> None:
    raw = raw_of(f'{{"id": "town:nameless-0", "prices": [1, 2, 1, {number}]}}', stream=BARS)
    result = clean(raw, BARS, BARS_TABLE, pseudonym)
    assert result.rejected["rule"].tolist() == ["wrong_type"]
    assert "is not a finite number" in result.rejected["reason"].iloc[0]


@pytest.mark.parametrize(
    ("fields", "rules", "reason"),
    [
        ({"score": -4}, ["score_not_negative"], "only comments may have a negative score; score = -4"),
        ({"title": " ", "text": None}, ["title_or_text"], "title and text are both blank; title = ' ', text = null"),
        ({"kind": "rumour"}, ["known_kind"], "kind: must be one of post, "),
        ({"kind": None}, ["not_null"], "kind: must not be null"),
        ({"replies": -1, "score": -1}, ["replies_not_negative", "score_not_negative"], "replies: must be at least 0; "),
        ({"created": 4102444800}, ["created_at_not_in_future"], "created_at must not lie after the moment"),
    ],
)  # fmt: skip
def test_broken_rules_are_all_kept_with_the_value(fields: dict[str, Any], rules: list[str], reason: str) -> None:
    row = rejected(GOOD | fields)
    assert list(row["rules"]) == rules
    assert row["rule"] == rules[0]
    assert row["reason"].startswith(reason)


def test_future_reason_shows_the_moment() -> None:
    assert "created_at = 2100-01-01T00:00:00+00:00" in rejected(GOOD | {"created": 4102444800})["reason"]


def test_key_mismatch_comes_first() -> None:
    raw = raw_of(GOOD | {"score": -1})
    raw["record_id"] = ["town:other"]
    row = clean(raw, POSTS, POSTS_TABLE, pseudonym).rejected.iloc[0]
    assert list(row["rules"]) == ["key_mismatch", "score_not_negative"]
    assert row["reason"].startswith("document_id: 'town:1' is not 'town:other'; ")


def test_a_row_without_key_is_a_mismatch() -> None:
    stream = stream_of(
        "documents", lambda payload: {key: value for key, value in parse_post(payload).items() if key != "document_id"}
    )
    row = clean(raw_of(GOOD), stream, POSTS_TABLE, pseudonym).rejected.iloc[0]
    assert list(row["rules"]) == ["key_mismatch", "not_null"]


def test_deleted_documents_may_be_blank() -> None:
    assert len(cleaned({"id": "town:1", "deleted": True}).rows) == 1


def test_prices_must_agree() -> None:
    raw = raw_of({"id": "b:1", "prices": [5, 4, 6, 5]}, {"id": "b:2", "prices": [5, 6, 4, 5]}, stream=BARS)
    result = clean(raw, BARS, BARS_TABLE, pseudonym)
    assert result.rows["bar_id"].tolist() == ["b:2"]
    assert list(result.rejected["rules"].iloc[0]) == ["ohlc_low", "ohlc_high"]
    assert (
        result.rejected["reason"].iloc[0].startswith("low lies above open or close; open = 5.0, low = 6.0, close = 5.0")
    )


def test_events_have_pseudonyms_and_labels() -> None:
    raw = raw_of({"id": "e:1", "author": "ann", "labels": ["bug", "urgent"]}, stream=EVENTS)
    row = clean(raw, EVENTS, EVENTS_TABLE, pseudonym).rows.iloc[0]
    assert (row["author_id"], list(row["labels"])) == ("town/nna", ["bug", "urgent"])


def test_half_a_character_and_null_bytes_are_mended() -> None:
    raw = raw_of('{"id": "town:nameless-0", "title": "half \\ud83d", "text": "null \\u0000 byte"}')
    row = clean(raw, POSTS, POSTS_TABLE, pseudonym).rows.iloc[0]
    assert (row["title"], row["text"]) == ("half \ufffd", "null  byte")


def test_a_reason_never_carries_what_a_table_cannot_hold() -> None:
    stream = stream_of("documents", lambda payload: {"document_id": int(payload["id"])})
    raw = raw_of('{"id": "\\ud83d\\u0000x"}')
    reason = clean(raw, stream, POSTS_TABLE, pseudonym).rejected["reason"].iloc[0]
    assert "\0" not in reason
    assert reason.encode()


def test_long_texts_pass_and_are_cut_in_reasons() -> None:
    result = cleaned(
        GOOD | {"text": "ä" * 100_000}, GOOD | {"id": "town:2", "text": "x" * 100_000, "kind": "y" * 100_000}
    )
    assert len(result.rows["text"].iloc[0]) == 100_000
    assert len(result.rejected["reason"].iloc[0]) < 300


def test_unknown_columns_are_a_defect_of_the_parser() -> None:
    stream = stream_of("documents", lambda payload: parse_post(payload) | {"titel": "x"})
    with pytest.raises(UnknownColumnsError, match=r"town_documents .* documents .*: titel"):
        clean(raw_of(GOOD), stream, POSTS_TABLE, pseudonym)


def test_a_record_twice_in_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="town:1"):
        clean(raw_of(GOOD, GOOD), POSTS, POSTS_TABLE, pseudonym)


def test_result_does_not_depend_on_batches_or_index(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [{"score": -1}, {"score": "x"}, {"created": "x"}, {}, {"title": "é"}]
    raw = raw_of(*(GOOD | {"id": f"town:{number}"} | bad[number % 5] for number in range(23)))
    whole = clean(raw, POSTS, POSTS_TABLE, pseudonym)
    monkeypatch.setattr(cleaning, "BATCH", 4)
    raw.index = pd.Index(range(100, 123))
    parts = clean(raw, POSTS, POSTS_TABLE, pseudonym)
    pd.testing.assert_frame_equal(whole.rows, parts.rows)
    pd.testing.assert_frame_equal(whole.rejected, parts.rejected)
    assert rules_broken(parts.rejected) == {"malformed": 5, "score_not_negative": 5, "wrong_type": 5}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**65), 2**64 - 1), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)
NAMES = ("kind", "author", "title", "text", "url", "score", "replies", "created", "deleted")
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))


@settings(max_examples=40, deadline=None)
@given(st.lists(FIELDS, max_size=6))
def test_nothing_crashes_and_nothing_is_lost(records: list[dict[str, Any]]) -> None:
    payloads = [
        orjson.dumps({"id": f"town:nameless-{number}"} | _dumpable(fields)).decode()
        for number, fields in enumerate(records)
    ]
    result = cleaned(*payloads)
    ids = [*result.rows["document_id"], *result.rejected["record_id"]]
    assert sorted(ids) == sorted(f"town:nameless-{number}" for number in range(len(records)))
    missing = quarantine(raw_of(*payloads), result.rows["document_id"], POSTS, POSTS_TABLE, pseudonym)
    pd.testing.assert_frame_equal(missing, result.rejected)


def _dumpable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _dumpable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dumpable(item) for item in value]
    return str(value) if isinstance(value, int) and value < -(2**63) else value


def test_quarantine_explains_what_is_missing() -> None:
    raw = raw_of(GOOD, GOOD | {"id": "town:2", "score": -1}, GOOD | {"id": "town:3"})
    found = quarantine(raw, ["town:1"], POSTS, POSTS_TABLE, pseudonym)
    QUARANTINE.schema.validate(found, lazy=True)
    assert found.set_index("record_id")["rule"].to_dict() == {"town:2": "score_not_negative", "town:3": "unexplained"}
    assert "materialise cleaned/town_documents again" in found.set_index("record_id")["reason"]["town:3"]
    assert quarantine(raw, {"town:1", "town:2", "town:3"}, POSTS, POSTS_TABLE, pseudonym).empty
