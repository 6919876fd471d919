from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from pipeline_platform.enrich.registry import configured
from pipeline_platform.schemas.columns import TEXT
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.settings import Settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("SENTIMENT_MODEL", "SPACY_MODEL"):
        monkeypatch.delenv(f"PIPELINE_{name}", raising=False)
    return Settings(_env_file=None)


@pytest.fixture
def components(settings: Settings) -> tuple[Any, ...]:
    return configured(settings)


@pytest.fixture
def texts() -> Callable[..., pd.Series]:
    return lambda *values: pd.Series(list(values), dtype=TEXT)


@pytest.fixture
def documents() -> Callable[[Sequence[dict[str, Any]]], pd.DataFrame]:
    """Rows of deduplicated/documents from a few columns each."""

    def build(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
        moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
        usual = {
            "kind": "post",
            "created_at": moment,
            "fetched_at": moment,
            "is_deleted": False,
            "is_adult": False,
            "content_hash": "0",
            "source": "reddit",
            "stream": "reddit_posts",
            "event_date": date(2026, 11, 22),
            "is_canonical": True,
            "method": "none",
        }
        filled = [
            {"document_id": f"reddit:{n}", "cluster_id": f"reddit:{n}", **usual, **row} for n, row in enumerate(rows)
        ]
        return deduplicated_table("documents").frame(filled)

    return build
