"""What a table is: its place, its Pandera schema, its key, its owner. Every asset, check and export starts from one."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
import pandera.pandas as pa

Layer = Literal["raw", "cleaned", "quarantine", "deduplicated", "enriched", "aggregated", "quality"]

JOINED = "joined"
"""Stands for the source of what has no single one."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the lake, partitioned by `event_date`.

    Attributes:
        layer, name: the asset key is `layer/name`, and so is the path in the lake.
        schema: Pandera schema; columns carry description and unit.
        key: columns that identify a row.
        published: exported as Parquet and offered by the API.
        kinds: Dagster kinds shown beside the asset.
        tags: Dagster tags, e.g. the source and the domain.
    """

    layer: Layer
    name: str
    description: str
    schema: pa.DataFrameSchema
    key: tuple[str, ...]
    owner: str = "team:data-platform"
    published: bool = False
    kinds: frozenset[str] = frozenset({"pandas", "deltalake"})
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """`layer/name`."""
        return f"{self.layer}/{self.name}"

    @property
    def columns(self) -> list[str]:
        """Column names in order."""
        return list(self.schema.columns)

    def empty(self) -> pd.DataFrame:
        """A frame of no rows with every column in its type."""
        return self.frame([])

    def frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        """A frame of `rows` in the column order and types of the schema; absent values become null.

        Raises:
            ValueError, TypeError, pyarrow.ArrowInvalid: a value does not fit the type of its column.
        """
        return pd.DataFrame(
            {
                name: pd.array([row.get(name) for row in rows], dtype=column.dtype.type)
                for name, column in self.schema.columns.items()
            }
        )


def schema_of(name: str, columns: dict[str, pa.Column], *checks: pa.Check, key: tuple[str, ...]) -> pa.DataFrameSchema:
    """A strict schema: these columns and no others, `key` unique, frame-wide `checks` by rule name."""
    return pa.DataFrameSchema(
        columns, checks=list(checks), unique=list(key), strict=True, ordered=False, coerce=False, name=name
    )
