"""The quality report by command: the same page as the asset writes, from what is stored now."""

from collections.abc import Sequence
from datetime import date

from pipeline_platform.defs.check_history import check_history, downstream_in
from pipeline_platform.launch.instance import command_instance
from pipeline_platform.launch.location import loaded_definitions
from pipeline_platform.operate.quality_facts import Written, facts_of_days, write_report
from pipeline_platform.quality.facts import DayFacts
from pipeline_platform.schemas.quality import SCORES
from pipeline_platform.settings import Settings, SettingsError
from pipeline_platform.storage.stores import Stores, has_lake, open_lake


def newest_day(settings: Settings) -> date:
    """The newest day that has scores.

    Raises:
        SettingsError: there is none yet.
    """
    if has_lake(settings):
        days = open_lake(settings).read(SCORES, columns=["event_date"])["event_date"]
        if len(days):
            newest: date = days.max()
            return newest
    raise SettingsError(
        f"the lake at {settings.lake_location} has no quality scores: run `pipeline-platform run` first, or mend "
        "PIPELINE_HOME"
    )


def write_day(settings: Settings, day: date) -> tuple[DayFacts, Written]:
    """Gather the facts of `day` and write its report.

    Raises:
        OSError: the folder of reports cannot be written.
    """
    graph = loaded_definitions().resolve_asset_graph()
    stores = Stores(settings)
    with command_instance(settings.home) as instance:
        (facts,) = facts_of_days(stores, [day], check_history(instance, graph), downstream_in(graph))
    return facts, write_report(settings, facts)


def rows_of_summary(facts: DayFacts) -> Sequence[Sequence[object]]:
    """The numbers of a report as lines of a listing."""
    return [[name, "" if value is None else value] for name, value in facts.numbers.items()]
