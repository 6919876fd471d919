"""The canonical kinds and the deduplicated tables that stand on them."""

from datetime import UTC, date, datetime
from typing import Any, get_args

import pandas as pd
import pandera.pandas as pa
import pytest

from pipeline_platform.schemas.deduplicated import deduplicated_table, deduplicated_tables
from pipeline_platform.schemas.kinds import KINDS, PLATFORM_COLUMNS
from pipeline_platform.sources.base import Kind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "document_id": "town:2",
    "kind": "post",
    "title": "Fair",
    "created_at": NOON,
    "is_deleted": False,
    "is_adult": False,
    "content_hash": "ab",
    "source": "town",
    "stream": "town_posts",
    "fetched_at": NOON,
    "event_date": date(2026, 11, 22),
    "cluster_id": "town:2",
    "is_canonical": True,
    "method": "none",
}
COPY = {"cluster_id": "town:1", "is_canonical": False, "duplicate_of": "town:1", "similarity": 1.0, "method": "exact"}


def test_every_kind_has_a_schema() -> None:
    assert set(KINDS) == set(get_args(Kind))


@pytest.mark.parametrize("kind", KINDS)
def test_key_and_event_time_are_columns_that_are_never_null(kind: Kind) -> None:
    schema = KINDS[kind]
    assert not schema.columns[schema.key].nullable
    assert not schema.columns[schema.event_time].nullable
    assert set(PLATFORM_COLUMNS) <= set(schema.columns)


@pytest.mark.parametrize("kind", KINDS)
def test_rules_have_names_and_words(kind: Kind) -> None:
    schema = KINDS[kind]
    checks = [*schema.rules, *(check for column in schema.columns.values() for check in column.checks)]
    assert all(check.name and check.error for check in checks)
    assert all(column.description for column in schema.columns.values())


@pytest.mark.parametrize("kind", KINDS)
def test_deduplicated_table_of_a_kind(kind: Kind) -> None:
    table = deduplicated_table(kind)
    assert table.published == (kind != "documents")  # exported with their enrichment, under the same name
    assert table.key == (KINDS[kind].key,)
    assert list(KINDS[kind].columns) == table.columns[: len(KINDS[kind].columns)]
    table.schema.validate(table.empty(), lazy=True)


def test_one_deduplicated_table_per_kind_in_use() -> None:
    names = [table.name for table in deduplicated_tables()]
    assert "documents" in names
    assert names == [kind for kind in KINDS if kind in names]


@pytest.mark.parametrize("fields", [{}, COPY, COPY | {"method": "url", "similarity": None}])
def test_consistent_clusters_pass(fields: dict[str, Any]) -> None:
    table = deduplicated_table("documents")
    table.schema.validate(table.frame([DOCUMENT | fields]), lazy=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"is_canonical": False},
        {"method": "exact"},
        {"cluster_id": "town:1"},
        {"duplicate_of": "town:1"},
        COPY | {"is_canonical": True},
        COPY | {"method": "none"},
        COPY | {"cluster_id": "town:3"},
        COPY | {"duplicate_of": None},
        COPY | {"duplicate_of": "town:2", "cluster_id": "town:2"},
    ],
)
def test_contradicting_clusters_fail(fields: dict[str, Any]) -> None:
    table = deduplicated_table("documents")
    frame = pd.concat(
        [table.frame([DOCUMENT | {"document_id": "town:0", "cluster_id": "town:0"}]), table.frame([DOCUMENT | fields])]
    )
    with pytest.raises(pa.errors.SchemaErrors, match="must tell the same"):
        table.schema.validate(frame.reset_index(drop=True), lazy=True)
