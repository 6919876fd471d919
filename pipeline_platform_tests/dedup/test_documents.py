"""Copies of documents: which are found, who is canonical, and that days can be computed in any company."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
import pyarrow as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_platform.clean.content import content_hash
from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.dedup.normalised import normalised_contents
from pipeline_platform.dedup.residual import residual_copies
from pipeline_platform.dedup.signatures import document_signatures
from pipeline_platform.schemas.columns import BYTES
from pipeline_platform.schemas.deduplicated import deduplicated_table, signatures_table
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.table import Table, schema_of

TODAY = date(2026, 11, 22)
CLEANED = Table(
    layer="cleaned",
    name="town_posts",
    description="",
    schema=schema_of("cleaned/town_posts", KINDS["documents"].columns, key=("document_id",)),
    key=("document_id",),
)
RESULT = deduplicated_table("documents")
SIGNATURES = signatures_table()
LONG = "The fair opens on Saturday morning."
FAIR = "The fair opens on Saturday morning at the market square, says the mayor."
NEARLY = f"{FAIR} Really."
FURTHER = f"{FAIR} Really. Bring friends."
"""Near to `NEARLY`, and not near enough to `FAIR`."""


def document(number: int, *, days_ago: int = 0, minute: int | None = None, **fields: Any) -> dict[str, Any]:
    day = TODAY - timedelta(days=days_ago)
    moment = datetime.combine(day, time(8), UTC) + timedelta(minutes=number if minute is None else minute)
    row = {
        "document_id": f"town:{number}",
        "kind": "post",
        "channel": "square",
        "author_id": "ann",
        "text": LONG,
        "created_at": moment,
        "is_deleted": False,
        "is_adult": False,
        "source": "town",
        "stream": "town_posts",
        "fetched_at": moment,
        "event_date": day,
    } | fields
    return row | {"content_hash": content_hash(row.get("title"), row["text"])}


def deduplicated(rows: list[dict[str, Any]], *days_ago: int, lookback: int = 2) -> pd.DataFrame:
    """Results of the asked days, computed together from all rows, checked against the table's schema."""
    days = [TODAY - timedelta(days=ago) for ago in days_ago or (0,)]
    frame = CLEANED.frame(rows)
    result = dedup_documents(frame, frame[list(COMPARED_COLUMNS)], days, lookback_days=lookback)
    assert list(result.columns) == RESULT.columns
    return result


def originals(rows: list[dict[str, Any]], *days_ago: int, lookback: int = 2) -> dict[str, Any]:
    """Document id to `duplicate_of` and method."""
    result = deduplicated(rows, *days_ago, lookback=lookback)
    RESULT.schema.validate(result, lazy=True)
    return {
        row.document_id: None if row.is_canonical else (row.duplicate_of, row.method)
        for row in result.itertuples(index=False)
    }


def test_exact_copies_across_sources() -> None:
    rows = [document(1), document(2, source="web", stream="web_items", text=f"  {LONG.upper()} https://t.example/x")]
    assert originals(rows) == {"town:1": None, "town:2": ("town:1", "exact")}
    result = deduplicated(rows)
    assert result["similarity"].tolist()[1] == 1.0
    assert pd.isna(result["similarity"].tolist()[0])


def test_earliest_then_richest_then_lowest_id_is_canonical() -> None:
    rows = [
        document(3, minute=0),
        document(2, minute=0, text=f"{LONG} https://t.example/more"),
        document(1, minute=0, text=f"{LONG} https://t.example/more"),
        document(0, minute=5),
    ]
    assert originals(rows)["town:1"] is None
    assert {original for original, _ in filter(None, originals(rows).values())} == {"town:1"}


def test_the_look_back_bounds_the_search() -> None:
    rows = [document(1, days_ago=3), document(2, days_ago=2), document(3)]
    assert originals(rows) == {"town:3": ("town:2", "exact")}
    assert originals(rows, lookback=3) == {"town:3": ("town:1", "exact")}
    assert originals(rows, lookback=0) == {"town:3": None}
    assert originals(rows, 2) == {"town:2": ("town:1", "exact")}


def test_an_earlier_partition_wins_over_an_earlier_creation() -> None:
    rows = [document(1, days_ago=1), document(2, created_at=datetime(2003, 1, 1, tzinfo=UTC))]
    assert originals(rows, 1, 0) == {"town:1": None, "town:2": ("town:1", "exact")}


@pytest.mark.parametrize("text", ["Thanks!", "thanks 🎉 \u200b", "ok https://t.example/abcdefghijklmnop"])
def test_short_contents_are_copies_only_of_the_same_author(text: str) -> None:
    rows = [
        document(number, text=text, author_id=author) for number, author in enumerate(["ann", "bob", "ann", None, None])
    ]
    assert originals(rows) == dict.fromkeys(["town:0", "town:1", "town:3", "town:4"]) | {"town:2": ("town:0", "exact")}


def test_twelve_characters_are_enough() -> None:
    rows = [document(1, text="twelve chars"), document(2, text="twelve chars", author_id="bob")]
    assert originals(rows)["town:2"] == ("town:1", "exact")


def test_contents_without_words_are_no_copies() -> None:
    rows = [document(number, text="https://t.example/a") for number in range(2)]
    assert originals(rows) == {"town:0": None, "town:1": None}


def test_deleted_documents_are_no_copies() -> None:
    rows = [document(0, is_deleted=True), document(1), document(2, is_deleted=True), document(3)]
    assert originals(rows) == {"town:0": None, "town:1": None, "town:2": None, "town:3": ("town:1", "exact")}


def article(number: int, text: str, url: str = "https://t.example/fair", **fields: Any) -> dict[str, Any]:
    return document(number, kind="article", text=text, channel=f"feed {number}", **fields) | {"canonical_url": url}


def test_articles_of_one_address_are_copies() -> None:
    rows = [
        article(1, LONG),
        article(2, "Fair to open Saturday"),
        article(3, "Something else", "https://t.example/else"),
    ]
    assert originals(rows) == {"town:1": None, "town:2": ("town:1", "url"), "town:3": None}
    assert deduplicated(rows)["similarity"].isna().all()


def test_only_articles_are_known_by_address() -> None:
    rows = [article(1, LONG), article(2, "See this about the fair") | {"kind": "post"}]
    assert originals(rows) == {"town:1": None, "town:2": None}


@pytest.mark.parametrize("url", ["https://t.example/", "https://t.example"])
def test_the_address_of_a_site_is_no_article(url: str) -> None:
    assert set(originals([article(1, LONG, url), article(2, "Something else happened", url)]).values()) == {None}


def test_a_page_of_many_items_is_no_article() -> None:
    rows = [article(number, f"Version {number} is out today") | {"channel": "releases"} for number in (1, 2)]
    rows.append(article(3, "Version 1 and 2 are out"))
    assert set(originals(rows).values()) == {None}


def test_copies_are_chained_by_content_and_address() -> None:
    rows = [article(1, LONG), article(2, "Fair to open Saturday"), document(3, text="Fair to open Saturday")]
    assert originals(rows) == {"town:1": None, "town:2": ("town:1", "url"), "town:3": ("town:1", "url")}


def test_near_copies_across_sources_have_their_similarity() -> None:
    rows = [document(1, text=FAIR), document(2, text=NEARLY, source="web", stream="web_items"), document(3)]
    assert originals(rows) == {"town:1": None, "town:2": ("town:1", "near"), "town:3": None}
    measured = deduplicated(rows)["similarity"].tolist()[1]
    one, other = ({text.encode().lower()[at : at + 5] for at in range(len(text) - 4)} for text in (FAIR, NEARLY))
    assert measured == pytest.approx(len(one & other) / len(one | other))


def test_a_chain_of_near_copies_ends_where_similarity_does() -> None:
    rows = [document(1, text=FAIR), document(2, text=NEARLY), document(3, text=FURTHER)]
    assert originals(rows) == {"town:1": None, "town:2": ("town:1", "near"), "town:3": None}
    assert originals(rows[1:]) == {"town:2": None, "town:3": ("town:2", "near")}


def test_exact_copies_of_a_near_copy_are_near_copies_of_its_original() -> None:
    rows = [document(number, text=text) for number, text in enumerate([FAIR, NEARLY, NEARLY, FAIR])]
    result = deduplicated(rows)
    assert result["method"].tolist() == ["none", "near", "near", "exact"]
    assert result["similarity"].tolist()[1] == result["similarity"].tolist()[2]
    assert set(result["cluster_id"]) == {"town:0"}


def test_near_copies_are_sought_in_the_look_back() -> None:
    rows = [document(1, days_ago=2, text=FAIR), document(2, text=NEARLY)]
    assert originals(rows) == {"town:2": ("town:1", "near")}
    assert originals(rows, lookback=1) == {"town:2": None}
    # The copy of the day before is an original where the look-back ends between the two.
    rows = [*rows, document(3, days_ago=1, text=NEARLY), document(4, text=FURTHER)]
    assert originals(rows) == {"town:2": ("town:1", "near"), "town:4": None}
    assert originals(rows, lookback=1) == {"town:2": ("town:3", "exact"), "town:4": ("town:3", "near")}


def test_near_copies_of_an_article_follow_it_to_its_address() -> None:
    rows = [article(1, "Fair to open Saturday"), article(2, FAIR), document(3, text=NEARLY)]
    assert originals(rows) == {"town:1": None, "town:2": ("town:1", "url"), "town:3": ("town:1", "near")}
    assert deduplicated(rows)["similarity"].isna().all()


def test_less_than_twenty_characters_are_no_near_copies() -> None:
    rows = [document(1, text="see you at the fair"), document(2, text="see you at the fair!")]
    assert set(originals(rows).values()) == {None}


def test_deleted_documents_are_no_near_copies() -> None:
    rows = [document(1, text=FAIR, is_deleted=True), document(2, text=NEARLY)]
    assert set(originals(rows).values()) == {None}


def test_the_newest_capture_of_a_document_stays() -> None:
    late = datetime(2026, 11, 22, 23, tzinfo=UTC)
    rows = [document(1), document(1, text="Edited: the fair is off", stream="town_search", fetched_at=late)]
    assert deduplicated(rows)["text"].tolist() == ["Edited: the fair is off"]


def test_a_document_is_never_its_own_copy() -> None:
    rows = [document(1, days_ago=1), document(1), document(2, days_ago=1)]
    assert {row.document_id: row.duplicate_of for row in deduplicated(rows).itertuples()} == {"town:1": "town:2"}


def test_days_between_the_asked_ones_count_as_history_wherever_they_are_given() -> None:
    frame = CLEANED.frame([document(1, days_ago=1), document(2)])
    for documents, history in ((frame, frame.head(0)), (frame.tail(1), frame.head(1)), (frame, frame)):
        result = dedup_documents(documents, history, [TODAY], lookback_days=1)
        assert result["duplicate_of"].tolist() == ["town:1"]


def test_nothing_in_gives_an_empty_table() -> None:
    assert originals([]) == {}
    result = dedup_documents(CLEANED.empty(), CLEANED.empty(), [], lookback_days=3)
    RESULT.schema.validate(result, lazy=True)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "days_ago": st.integers(0, 5),
            "minute": st.integers(0, 3),
            "text": st.sampled_from(
                [LONG, FAIR, NEARLY, FURTHER, "Thanks!", "https://t.example/a", f"{LONG} https://t.example"]
            ),
            "author_id": st.sampled_from(["ann", "bob", None]),
            "kind": st.sampled_from(["post", "article", "article"]),
            "channel": st.sampled_from(["square", "market", "hill"]),
            "canonical_url": st.sampled_from(
                ["https://t.example/a", "https://t.example/b", "https://t.example/", None]
            ),
            "is_deleted": st.sampled_from([False, False, False, True]),
        }
    ),
    max_size=14,
)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.sets(st.integers(0, 4), min_size=1), st.integers(0, 3), st.randoms(use_true_random=False))
def test_days_together_are_the_days_one_by_one(
    drawn: list[dict[str, Any]], days_ago: set[int], lookback: int, random: Any
) -> None:
    rows = [document(number, **fields) for number, fields in enumerate(drawn)]
    together = deduplicated(rows, *days_ago, lookback=lookback)
    random.shuffle(rows)
    single = [deduplicated(rows, ago, lookback=lookback) for ago in sorted(days_ago, reverse=True)]
    pd.testing.assert_frame_equal(together, pd.concat(single, ignore_index=True))


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(0, 5))
def test_nothing_is_lost_and_originals_lie_within_the_look_back(drawn: list[dict[str, Any]], lookback: int) -> None:
    rows = [document(number, **fields) for number, fields in enumerate(drawn)]
    result = deduplicated(rows, *range(6), lookback=lookback)
    RESULT.schema.validate(result, lazy=True)
    assert sorted(result["document_id"]) == sorted(row["document_id"] for row in rows)
    by_id = result.set_index("document_id")
    for copy in result[~result["is_canonical"]].itertuples():
        original = by_id.loc[copy.duplicate_of]
        assert not original["is_deleted"]
        assert copy.event_date - timedelta(days=lookback) <= original["event_date"] <= copy.event_date
        if copy.method == "exact":
            assert original["content_hash"] == copy.content_hash
        if copy.method == "near" and not pd.isna(copy.similarity):
            assert copy.similarity >= 0.8
            assert original["content_hash"] != copy.content_hash


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(0, 3), st.data())
def test_stored_signatures_change_nothing(drawn: list[dict[str, Any]], lookback: int, data: st.DataObject) -> None:
    frame = CLEANED.frame([document(number, **fields) for number, fields in enumerate(drawn)])
    stored = document_signatures(frame, SIGNATURES.empty())
    SIGNATURES.schema.validate(stored, lazy=True)
    some = stored.head(data.draw(st.integers(0, len(stored))))
    pd.testing.assert_frame_equal(document_signatures(frame, some), stored)
    old = stored.assign(version="0", band_keys=pd.array([b"?" * 100] * len(stored), dtype=BYTES)).astype(stored.dtypes)
    days = sorted({TODAY, TODAY - timedelta(days=2)})
    expected = dedup_documents(frame, frame.head(0), days, lookback_days=lookback)
    for signatures in (stored, some, pd.concat([old, some], ignore_index=True)):
        result = dedup_documents(frame, frame.head(0), days, lookback_days=lookback, signatures=signatures)
        pd.testing.assert_frame_equal(result, expected)


def test_only_contents_without_a_signature_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = CLEANED.frame([document(1), document(2, text=FAIR), document(3, text=FAIR, days_ago=1)])
    stored = document_signatures(frame[frame["event_date"] < TODAY], SIGNATURES.empty())
    seen: list[str] = []

    def looked_at(titles: arrow.ChunkedArray, texts: arrow.ChunkedArray) -> arrow.Array:
        seen.extend(texts.to_pylist())
        return normalised_contents(titles, texts)

    monkeypatch.setattr("pipeline_platform.dedup.signatures.normalised_contents", looked_at)
    assert len(document_signatures(frame, stored)) == 3
    assert seen == [LONG]


def test_a_signature_of_another_version_is_made_again() -> None:
    frame = CLEANED.frame([document(1, text=FAIR)])
    stored = document_signatures(frame, SIGNATURES.empty())
    old = stored.assign(version="0").astype(stored.dtypes)
    pd.testing.assert_frame_equal(document_signatures(frame, old), stored)


def test_what_is_left_over_is_found_with_other_hashes() -> None:
    rows = [document(1, text=FAIR), document(2, text=NEARLY), document(3), document(4, days_ago=1, text=FAIR)]
    result = deduplicated(rows, 1, 0)
    assert {day: found.share for day, found in residual_copies(result).items()} == {
        TODAY - timedelta(days=1): 0,
        TODAY: 0,
    }
    missed = result.assign(is_canonical=True).astype({"is_canonical": result["is_canonical"].dtype})
    left = residual_copies(missed)[TODAY]
    assert left.copies[["document_id", "copy_of"]].to_numpy().tolist() == [["town:2", "town:1"]]
    assert left.share == pytest.approx(1 / 3)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_a_cluster_of_one_day_has_one_canonical(drawn: list[dict[str, Any]]) -> None:
    result = deduplicated([document(number, **fields | {"days_ago": 0}) for number, fields in enumerate(drawn)])
    canonical = result.loc[result["is_canonical"], "cluster_id"]
    assert sorted(canonical) == sorted(set(result["cluster_id"]))
