"""The asset of enriched documents: a second run takes what the first one said."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.enrich.registry import COMPONENTS, code_version
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.tiny_models import tiny_spacy, tiny_transformer

DAY = date(2026, 11, 20)
KEY = dg.AssetKey(["enriched", "documents"])
UPSTREAM, TABLE = "deduplicated/documents", "enriched/documents"


def store(stores: Stores, *texts: str) -> None:
    """Deduplicated documents of the day."""
    moment = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    usual = {
        "kind": "post",
        "created_at": moment,
        "fetched_at": moment,
        "is_deleted": False,
        "is_adult": False,
        "content_hash": "0",
        "source": "reddit",
        "stream": "reddit_posts",
        "event_date": DAY,
        "is_canonical": True,
        "method": "none",
    }
    ids = [f"reddit:{n}" for n in range(len(texts))]
    rows = [
        {"document_id": one, "cluster_id": one, "text": text, **usual} for one, text in zip(ids, texts, strict=True)
    ]
    table = tables()[UPSTREAM]
    stores.lake.replace(table, table.frame(rows), DAY, DAY)


@pytest.fixture
def instance(stores: Stores) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def enriched(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, object]:
    """Metadata of a run."""
    result = definitions.resolve_job_def("backfill_range").execute_in_process(
        instance=instance,
        asset_selection=[KEY],
        tags=range_tags(DAY, DAY),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    (event,) = result.asset_materializations_for_node("enriched__documents")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_second_run_computes_only_what_is_new(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    store(stores, "I love it!", "This is terrible.", "The train leaves at nine.")
    first = enriched(definitions, instance)
    assert first["prediction cache hit rate"] == 0
    assert first["sentiment labels"].startswith("![sentiment labels](data:image/png;base64,")
    assert first["documents per second"] > 0
    again = enriched(definitions, instance)
    assert again["prediction cache hit rate"] == 1
    assert again["changed"] is False
    assert set(again["prediction cache"]) == {one.name for one in COMPONENTS}
    store(stores, "I love it!", "This is new.")
    assert enriched(definitions, instance)["prediction cache hit rate"] == 0.5
    assert stores.lake.read(tables()[TABLE])["sentiment"].notna().all()


def test_the_code_version_names_the_models(definitions: dg.Definitions) -> None:
    spec = definitions.resolve_asset_graph().get(KEY)
    assert spec.code_version == code_version(load_settings())


def checked(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str, first: date = DAY
) -> dg.AssetCheckEvaluation:
    """What a check of enriched documents says of a day."""
    job = dg.define_asset_job("check", selection=dg.AssetSelection.checks(dg.AssetCheckKey(KEY, name)))
    resolved = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("check")
    result = resolved.execute_in_process(
        instance=instance,
        tags=range_tags(first, first),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    *days, whole = result.get_asset_check_evaluations()
    assert [one.partition for one in days] == [first.isoformat()], "each day is told by itself"
    assert days[0].passed is whole.passed
    assert whole.severity is dg.AssetCheckSeverity.WARN
    return whole


def test_configured_models_reach_the_table_the_registry_and_the_check(
    stores: Stores,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transformer = tiny_transformer(tmp_path / "transformer")
    monkeypatch.setenv("PIPELINE_SENTIMENT_MODEL", str(transformer))
    monkeypatch.setenv("PIPELINE_SPACY_MODEL", str(tiny_spacy(tmp_path / "spacy")))
    store(stores, "This is good, really good", "A bad, bad day at Acme Works", "Das ist eine gute Nachricht, good!")
    told = enriched(definitions, instance)
    rows = stores.lake.read(tables()[TABLE]).set_index("document_id")
    good, bad, german = (rows.loc[f"reddit:{n}"] for n in range(3))
    assert good["sentiment_model_score"] > 0.3
    assert bad["sentiment_model_score"] < -0.3
    assert list(bad["entities"]) == ["ORG:Acme Works"]
    # The other two models read English only, so the configured one alone decides.
    assert german["sentiment"] == german["sentiment_model_score"]
    scores = good[["sentiment_vader", "sentiment_linear", "sentiment_model_score"]].astype(float)
    weights = np.array(
        [float(part.split(" x ")[1]) for part in json.loads(good["model_versions"])["sentiment"].split(";")]
    )
    assert good["sentiment"] == pytest.approx((scores * weights).sum() / weights.sum(), abs=1e-3)
    spread = np.sqrt((weights * (scores - good["sentiment"]) ** 2).sum() / weights.sum())
    assert good["sentiment_agreement"] == pytest.approx(1 - spread, abs=1e-3)
    versions = json.loads(good["model_versions"])
    assert versions["sentiment_model"].startswith(f"{transformer}@local-")
    assert versions["entities"].endswith("; small 1.2.3")
    registry = {record.data["name"]: record.data for record in told["registry of models"].records}
    assert registry["small"]["licence"] == "MIT"
    assert len(registry[str(transformer)]["content_hash"]) == 64
    assert ("ORG:Acme Works", 1) in {tuple(record.data.values()) for record in told["top entities"].records}
    assert checked(definitions, instance, "model_availability").passed


def test_a_configured_model_that_is_missing_changes_no_other_value_and_is_told(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(stores, "This is good, really good", "A bad, bad day at Acme Works")
    enriched(definitions, instance)
    columns = [name for name in tables()[TABLE].columns if name != "model_versions"]
    before = stores.lake.read(tables()[TABLE])[columns]
    monkeypatch.setenv("PIPELINE_SENTIMENT_MODEL", "/nowhere/model")
    monkeypatch.setenv("PIPELINE_SPACY_MODEL", "no_such_pipeline")
    enriched(definitions, instance)
    pd.testing.assert_frame_equal(stores.lake.read(tables()[TABLE])[columns], before)
    evaluation = checked(definitions, instance, "model_availability")
    assert not evaluation.passed
    assert "/nowhere/model unavailable. Mend PIPELINE_SENTIMENT_MODEL" in evaluation.description
    assert "no_such_pipeline unavailable. Mend PIPELINE_SPACY_MODEL" in evaluation.description


def label(stores: Stores, first: date, *days: Mapping[str, int]) -> None:
    """Enriched documents of days that follow one another: how many have which sentiment label, language English."""
    table = tables()[TABLE]
    for at, counted in enumerate(days):
        day = first + timedelta(days=at)
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        names = [name for name, count in counted.items() for _ in range(count)]
        rows = [
            {
                "document_id": f"town:{at}:{n}",
                "cluster_id": f"town:{at}:{n}",
                "kind": "post",
                "source": "reddit",
                "stream": "reddit_posts",
                "created_at": moment,
                "fetched_at": moment,
                "event_date": day,
                "is_deleted": False,
                "is_adult": False,
                "is_canonical": True,
                "method": "none",
                "content_hash": "0",
                "language": "und" if name == "und" else "en",
                "sentiment_label": None if name == "und" else name,
                "topic": "other",
                "emotion": "neutral",
                "model_versions": "{}",
            }
            for n, name in enumerate(names)
        ]
        stores.lake.replace(table, table.frame(rows), day, day)


USUAL = {"positive": 80, "neutral": 80, "negative": 40}
START = date(2026, 11, 10)


@pytest.mark.parametrize(
    ("last", "passed"),
    [
        ({"positive": 70, "neutral": 86, "negative": 44}, True),
        ({"positive": 10, "neutral": 60, "negative": 130}, False),
        ({"positive": 1, "neutral": 1, "negative": 60}, True),  # too few documents to tell
    ],
    ids=["quiet", "drifted", "few"],
)
def test_labels_that_drift_are_told(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance, last: dict[str, int], passed: bool
) -> None:
    label(stores, START, *[USUAL] * 7, last)
    evaluation = checked(definitions, instance, "label_drift", START + timedelta(days=7))
    assert evaluation.passed is passed
    if not passed:
        assert evaluation.description == "Unlike the week before: sentiment_label on 2026-11-17."
        assert evaluation.metadata["shares"].value.startswith("![sentiment_label, 2026-11-17](data:image/png;base64,")
        (row,) = [one.data for one in evaluation.metadata["compared"].records if one.data["drifted"]]
        assert row["moved most"] == "negative +45.0%"


@pytest.mark.parametrize(("undetermined", "passed"), [(20, True), (90, False)])
def test_many_documents_without_a_language_are_told(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance, undetermined: int, passed: bool
) -> None:
    label(stores, START, {"neutral": 200 - undetermined, "und": undetermined})
    evaluation = checked(definitions, instance, "undetermined_language", START)
    assert evaluation.passed is passed
    assert evaluation.metadata["worst share"].value == undetermined / 200
    (row,) = evaluation.metadata["by source"].records
    assert row.data == {"source": "reddit", "documents": 200, "undetermined": undetermined}
