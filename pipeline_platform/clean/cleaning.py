"""`clean` and `quarantine`: every raw record becomes one row of the cleaned table or one row of the quarantine."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.clean.cells import read_column
from pipeline_platform.clean.content import content_hash
from pipeline_platform.clean.payloads import UNREADABLE, read_row, shown
from pipeline_platform.clean.rules import Breach, broken_rules
from pipeline_platform.clean.urls import canonical_url
from pipeline_platform.schemas.catalog import QUARANTINE_COLUMNS
from pipeline_platform.schemas.kinds import KINDS, PLATFORM_COLUMNS
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.base import Stream
from pipeline_platform.sources.errors import Malformed

Pseudonym = Callable[[str, str], str]
"""`(source, author) -> keyed pseudonym`."""

BATCH = 50_000
"""Records worked on at a time: bounds the memory that parsed rows take before they are columns."""

MALFORMED = "malformed"
WRONG_TYPE = "wrong_type"
KEY_MISMATCH = "key_mismatch"
UNEXPLAINED = "unexplained"
"""Rules beside those of the schemas. `malformed`: no row can be made of the payload. `wrong_type`: a value is not of
the type of its column. `key_mismatch`: the row's key is not the id under which the record was fetched. `unexplained`:
the record passes every rule and yet is not in the cleaned table."""

_DERIVED = ("author_id", "canonical_url", "content_hash")
_FALSE_UNLESS_SAID = ("is_deleted", "is_adult")
_MOMENT = arrow.timestamp("us", tz="UTC")
_ENVELOPE = arrow.schema(
    {
        "record_id": arrow.string(),
        "source": arrow.string(),
        "stream": arrow.string(),
        "event_time": _MOMENT,
        "fetched_at": _MOMENT,
        "payload": arrow.string(),
        "event_date": arrow.date32(),
    }
)


@dataclass(frozen=True)
class Cleaned:
    """`rows` in the schema of the cleaned table, `rejected` in that of the quarantine."""

    rows: pd.DataFrame
    rejected: pd.DataFrame


def rules_broken(rejected: pd.DataFrame) -> dict[str, int]:
    """Records per rule in rows of a quarantine table, most frequent first; a record may have broken several rules."""
    rules = Counter(chain.from_iterable(rejected["rules"]))
    return dict(sorted(rules.items(), key=lambda item: (-item[1], item[0])))


class UnknownColumnsError(Exception):
    """The `parse` of a stream gives columns that its kind does not have: they would be lost without a word."""


def clean(raw: pd.DataFrame, stream: Stream, table: Table, pseudonym: Pseudonym) -> Cleaned:
    """Parse, type, complete and judge raw records.

    Args:
        raw: rows of the raw table of `stream`; needs the columns of the envelope up to `payload` and `event_date`.
        stream: gives `parse` and the kind.
        table: the cleaned table of the stream.
        pseudonym: `(source, author)` to the keyed pseudonym that is kept in place of the author.

    Returns:
        One row or one rejected record per raw record, in the order of `raw`.

    Raises:
        ValueError: a record occurs twice in a day of `raw`; the raw table is not what it should be.
        UnknownColumnsError: the parser gives columns that the kind does not have.
        SchemaCheckError: a check of the schema cannot be applied.
    """
    envelope = arrow.Table.from_pandas(raw[_ENVELOPE.names], schema=_ENVELOPE, preserve_index=False)
    _assert_once(envelope)
    # A payload that is not there reads as JSON's nothing, so that it can be rejected with its text.
    payloads = pc.fill_null(envelope["payload"], "null")
    envelope = envelope.set_column(envelope.schema.get_field_index("payload"), "payload", payloads)
    batches = [
        _clean_batch(envelope.slice(start, BATCH), stream, table, pseudonym)
        for start in range(0, max(envelope.num_rows, 1), BATCH)
    ]
    if len(batches) == 1:
        cleaned = batches[0]
    else:
        cleaned = Cleaned(
            pd.concat([batch.rows for batch in batches], ignore_index=True),
            pd.concat([batch.rejected for batch in batches], ignore_index=True),
        )
    if len(cleaned.rows) + len(cleaned.rejected) != len(raw):
        raise AssertionError(f"{len(raw)} records became {len(cleaned.rows)} rows and {len(cleaned.rejected)} rejected")
    return cleaned


def quarantine(
    raw: pd.DataFrame, cleaned_keys: Iterable[str], stream: Stream, table: Table, pseudonym: Pseudonym
) -> pd.DataFrame:
    """The records of `raw` that are not in the cleaned table, each with the rules that it broke.

    It starts from what is missing instead of from what `clean` rejected, so that no loss is silent: a record that
    is missing though it breaks no rule is listed as `unexplained`.

    Args:
        raw: rows of the raw table of `stream`.
        cleaned_keys: the keys in the cleaned table for the same days.
        stream: as for `clean`.
        table: as for `clean`.
        pseudonym: as for `clean`.

    Returns:
        Rows of the quarantine table.
    """
    keys = cleaned_keys if isinstance(cleaned_keys, Collection) else list(cleaned_keys)
    missing = raw[~raw["record_id"].isin(keys)].reset_index(drop=True)
    again = clean(missing, stream, table, pseudonym)
    if again.rows.empty:
        return again.rejected
    unexplained = set(again.rows[table.key[0]])
    reason = (
        f"passes every rule but is not in {table.path}: either the raw table changed since (materialise {table.path} "
        "again) or rows got lost there"
    )
    envelope = arrow.Table.from_pandas(missing[_ENVELOPE.names], schema=_ENVELOPE, preserve_index=False)
    lost = {
        place: [Breach(UNEXPLAINED, reason)]
        for place, record_id in enumerate(envelope["record_id"].to_pylist())
        if record_id in unexplained
    }
    return pd.concat([again.rejected, _rejected(envelope, lost)], ignore_index=True)


def _assert_once(envelope: arrow.Table) -> None:
    counts = envelope.group_by(["record_id", "event_date"]).aggregate([([], "count_all")])
    if counts.num_rows == envelope.num_rows:
        return
    twice = counts.filter(pc.greater(counts["count_all"], 1))["record_id"].slice(0, 3).to_pylist()
    raise ValueError(f"raw records occur more than once in a day ({', '.join(twice)}, …); raw merges by record_id")


def _clean_batch(envelope: arrow.Table, stream: Stream, table: Table, pseudonym: Pseudonym) -> Cleaned:
    breaches: dict[int, list[Breach]] = {}
    parsed, places = _parse(envelope["payload"].to_pylist(), stream, table, breaches)
    columns, misfits = _columns(parsed, table)
    if misfits:
        for position, found in misfits.items():
            breaches[places[position]] = found
        keep = arrow.array([position for position in range(len(parsed)) if position not in misfits], arrow.int64())
        columns = {name: values.take(keep) for name, values in columns.items()}
        places = arrow.array(places, arrow.int64()).take(keep).to_pylist()
    origin = envelope.drop_columns(["payload"]).take(arrow.array(places, arrow.int64()))
    frame = _frame(_complete(columns, origin, stream, pseudonym), table)

    broken = broken_rules(frame, table.schema)
    for position, breach in _key_mismatches(frame[table.key[0]], origin["record_id"]):
        broken.setdefault(position, []).insert(0, breach)
    for position, found in broken.items():
        breaches[places[position]] = found
    rows = frame.drop(index=list(broken)).reset_index(drop=True) if broken else frame
    return Cleaned(rows, _rejected(envelope, breaches))


def _parse(
    payloads: list[str], stream: Stream, table: Table, breaches: dict[int, list[Breach]]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows and their places among `payloads`; what gives no row is added to `breaches`."""
    known = _parsed_columns(table)
    parse, loads = stream.parse, orjson.loads
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    for place, payload in enumerate(payloads):
        try:
            row = parse(loads(payload))
            strange = row.keys() - known
        except UNREADABLE:
            try:
                row = read_row(payload, parse)
            except Malformed as error:
                breaches[place] = [Breach(MALFORMED, str(error))]
                continue
            strange = row.keys() - known
        if strange:
            names = ", ".join(sorted(strange))
            raise UnknownColumnsError(f"parse of {stream.name} gives columns that {stream.kind} does not take: {names}")
        rows.append(row)
        places.append(place)
    return rows, places


def _parsed_columns(table: Table) -> set[str]:
    """The columns that a parser may give: those of the table less what the platform adds, and the raw author."""
    columns = set(table.columns).difference(PLATFORM_COLUMNS, _DERIVED)
    return columns | {"author"} if "author_id" in table.columns else columns


def _columns(rows: list[dict[str, Any]], table: Table) -> tuple[dict[str, arrow.Array], dict[int, list[Breach]]]:
    """The parsed columns, and the breaches of the rows in which a value is not of its type."""
    misfits: dict[int, list[Breach]] = {}
    columns: dict[str, arrow.Array] = {}
    for name in _parsed_columns(table):
        dtype = arrow.string() if name == "author" else table.schema.columns[name].dtype.type.pyarrow_dtype
        columns[name], wrong = read_column([row.get(name) for row in rows], dtype)
        for position, what in wrong.items():
            misfits.setdefault(position, []).append(Breach(WRONG_TYPE, f"{name}: {what}"))
    for found in misfits.values():
        found.sort(key=lambda breach: breach.reason)
    return columns, misfits


def _complete(
    columns: dict[str, arrow.Array], origin: arrow.Table, stream: Stream, pseudonym: Pseudonym
) -> dict[str, arrow.Array | arrow.ChunkedArray]:
    """The parsed columns with those that the platform fills in. `origin` is the envelope of every row."""
    complete: dict[str, Any] = {**columns, **{name: origin[name] for name in PLATFORM_COLUMNS}}
    moment = KINDS[stream.kind].event_time
    complete[moment] = pc.coalesce(complete[moment], origin["event_time"])
    for name in _FALSE_UNLESS_SAID:
        if name in complete:
            complete[name] = pc.fill_null(complete[name], False)
    if "author" in complete:
        complete["author_id"] = _pseudonyms(complete.pop("author"), origin["source"], pseudonym)
    if stream.kind == "documents":
        addresses = complete["url"].to_pylist()
        complete["canonical_url"] = arrow.array([canonical_url(url) for url in addresses], arrow.string())
        contents = zip(complete["title"].to_pylist(), complete["text"].to_pylist(), strict=True)
        complete["content_hash"] = arrow.array([content_hash(title, text) for title, text in contents], arrow.string())
    return complete


def _pseudonyms(authors: arrow.Array, sources: arrow.ChunkedArray, pseudonym: Pseudonym) -> arrow.Array:
    """The pseudonym of every author; null where there is none or the name is blank."""
    names = zip(sources.to_pylist(), authors.to_pylist(), strict=True)
    known: dict[tuple[str, str], str] = {}
    found: list[str | None] = []
    for name in names:
        _, author = name
        if author is None or not author.strip():
            found.append(None)
            continue
        if name not in known:
            known[name] = pseudonym(*name)
        found.append(known[name])
    return arrow.array(found, arrow.string())


def _key_mismatches(keys: pd.Series, record_ids: arrow.ChunkedArray) -> list[tuple[int, Breach]]:
    differs = pc.fill_null(pc.not_equal(arrow.chunked_array([arrow.array(keys)]), record_ids), True)
    return [
        (
            position,
            Breach(KEY_MISMATCH, f"{keys.name}: {shown(keys[position])} is not {shown(record_ids[position].as_py())}"),
        )
        for position in pc.indices_nonzero(differs).to_pylist()
    ]


def _frame(columns: dict[str, Any], table: Table) -> pd.DataFrame:
    filled = arrow.table({name: columns[name] for name in table.columns})
    return filled.to_pandas(types_mapper=pd.ArrowDtype)


def _rejected(envelope: arrow.Table, breaches: dict[int, list[Breach]]) -> pd.DataFrame:
    """Rows of the quarantine table: the envelope at the places of `breaches` with the rules broken there."""
    places = sorted(breaches)
    found = [breaches[place] for place in places]
    origin = envelope.take(arrow.array(places, arrow.int64()))
    columns: dict[str, Any] = {name: origin[name] for name in envelope.column_names}
    columns["rule"] = arrow.array([first.rule for first, *_ in found], arrow.string())
    columns["rules"] = arrow.array(
        [list(dict.fromkeys(breach.rule for breach in several)) for several in found], arrow.list_(arrow.string())
    )
    columns["reason"] = arrow.array(
        ["; ".join(breach.reason for breach in several) for several in found], arrow.string()
    )
    filled = arrow.table({name: columns[name] for name in QUARANTINE_COLUMNS})
    return filled.to_pandas(types_mapper=pd.ArrowDtype)
