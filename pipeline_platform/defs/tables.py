"""What every asset of a table has in common, taken from the table: key, owner, kinds, schema, lineage, preview."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pandas as pd
from dagster_pandas import PandasColumn, create_dagster_pandas_dataframe_type

from pipeline_platform import __version__
from pipeline_platform.clean.cleaning import rules_broken
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily
from pipeline_platform.schemas.table import Table

PREVIEW_ROWS = 5
QUARANTINE_PREVIEW = ("stream", "record_id", "rule", "reason")
PREVIEW_CHARACTERS = 80
STALE_AFTER = timedelta(hours=36)
LATE_AFTER = timedelta(hours=12)


def asset_arguments(table: Table) -> dict[str, Any]:
    """Arguments of `@dg.asset` for the asset of `table`."""
    return {
        "key": asset_key(table),
        "group_name": table.layer,
        "description": table.description,
        "owners": [table.owner],
        "kinds": set(table.kinds),
        "tags": table.tags,
        "op_tags": step_tags(table.layer, table.name),
        "code_version": __version__,
        "partitions_def": daily(),
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "freshness_policy": dg.FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=LATE_AFTER),
        "metadata": {
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": table.path,
            "dagster/storage_kind": "deltalake",
            "key": ", ".join(table.key),
        },
    }


def asset_key(table: Table) -> dg.AssetKey:
    """`[layer, name]`."""
    return dg.AssetKey([table.layer, table.name])


def column_schema(table: Table) -> dg.TableSchema:
    """Columns with type, description, unit and constraints, as Dagster shows them."""
    columns = []
    for name, column in table.schema.columns.items():
        unit = (column.metadata or {}).get("unit")
        columns.append(
            dg.TableColumn(
                name=name,
                type=str(column.dtype.type.pyarrow_dtype),
                description=f"{column.description} [{unit}]" if unit else column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=table.key == (name,),
                    other=[str(check.error) for check in column.checks],
                ),
            )
        )
    return dg.TableSchema(
        columns=columns,
        constraints=dg.TableConstraints(other=[str(check.error) for check in table.schema.checks]),
    )


def frame_type(table: Table) -> dg.DagsterType:
    """The dagster-pandas type of the frame an asset hands over: its columns, and statistics as metadata.

    It describes; whether the rows are valid is for the Pandera schema and its check to say.
    """
    return create_dagster_pandas_dataframe_type(
        name=f"{table.layer}_{table.name}".title().replace("_", ""),
        description=f"Frame of `{table.path}`. {table.description}",
        columns=[PandasColumn.exists(name) for name in table.columns],
        metadata_fn=_statistics,
    )


def _statistics(frame: pd.DataFrame) -> dict[str, Any]:
    """Rows, share of nulls and the range of every column that has an order."""
    lines = []
    for name, column in frame.items():
        ordered = not str(column.dtype).startswith(("list", "bool", "string")) and column.notna().any()
        lines.append(
            {
                "column": str(name),
                "nulls": f"{column.isna().mean():.1%}" if len(column) else "",
                "minimum": str(column.min()) if ordered else "",
                "maximum": str(column.max()) if ordered else "",
            }
        )
    return {"rows": len(frame), "statistics": _table(lines)}


def handover(context: dg.AssetExecutionContext, frame: pd.DataFrame, **more: Any) -> dict[str, Any]:
    """Metadata of a frame that an asset hands over: row counts, a preview; each day is told its own number of rows."""
    days = asked_days(context)
    per_day = frame["event_date"].value_counts()
    tell_days(context, {day: int(per_day.get(day, 0)) for day in days})
    shown = {"preview": preview(frame)} if len(frame) else {}
    return {"dagster/row_count": len(frame), "days": f"{days[0]} to {days[-1]}", **shown, **more}


def tell_days(context: dg.AssetExecutionContext, rows: Mapping[date, int]) -> None:
    """Rows of each day as metadata of its own partition."""
    for day, count in rows.items():
        context.add_asset_metadata({"dagster/partition_row_count": count}, partition_key=day.isoformat())


def preview(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> dg.TableMetadataValue:
    """The first rows, long values cut."""
    head = frame.head(PREVIEW_ROWS)[list(columns) if columns else list(frame.columns)]
    return _table([{str(name): _cut(value) for name, value in row.items()} for row in head.to_dict("records")])


def counts(values: Mapping[str, int], label: str) -> dg.TableMetadataValue:
    """A table of counts by `label`, largest first."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return _table([{label: name, "rows": int(rows)} for name, rows in ordered])


def listing(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """A table of rows that have the same keys."""
    return _table([dict(row) for row in rows])


def rejects(rejected: pd.DataFrame) -> dict[str, Any]:
    """Metadata of quarantined records: how many by rule, and some of them; nothing when there are none."""
    if rejected.empty:
        return {}
    return {
        "quarantined by rule": counts(rules_broken(rejected), "rule"),
        "quarantined, some": preview(rejected, QUARANTINE_PREVIEW),
    }


def _cut(value: Any) -> str:
    text = "" if value is None or value is pd.NA else str(value)
    return text if len(text) <= PREVIEW_CHARACTERS else f"{text[: PREVIEW_CHARACTERS - 1]}…"


def _table(lines: list[dict[str, Any]]) -> dg.TableMetadataValue:
    columns = [
        dg.TableColumn(name=name, type="int" if isinstance(value, int) else "string")
        for name, value in (lines[0] if lines else {"nothing": ""}).items()
    ]
    return dg.MetadataValue.table(
        records=[dg.TableRecord(line) for line in lines], schema=dg.TableSchema(columns=columns)
    )


def same_name_lineage(
    table: Table,
    upstream: Sequence[Table],
    explicit: Mapping[str, Sequence[tuple[Table, str]]] | None = None,
    *,
    otherwise: tuple[Table, str] | None = None,
) -> dict[str, Any]:
    """Column lineage metadata.

    Args:
        table: the table whose columns are explained.
        upstream: a column comes from the columns of its name in these tables,
        explicit: or from these, by column,
        otherwise: or, when neither says anything, from this one.
    """
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for name in table.columns:
        origins = (explicit or {}).get(name) or [(one, name) for one in upstream if name in one.columns]
        if not origins and otherwise is not None:
            origins = [otherwise]
        deps[name] = [dg.TableColumnDep(asset_key=asset_key(one), column_name=column) for one, column in origins]
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}
