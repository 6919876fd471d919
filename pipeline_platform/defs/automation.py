"""How tables follow each other: everything downstream of raw keeps up by itself, behind blocking checks only."""

from datetime import timedelta

import dagster as dg

FOLLOWED_DAYS = timedelta(days=7)
"""Late records change recent days; older days are recomputed by hand (`backfill_range`)."""

_checked = dg.AutomationCondition.all_checks_match(
    dg.AutomationCondition.check_passed() | dg.AutomationCondition.will_be_requested(), blocking_only=True
)

# As `eager() & all_deps_blocking_checks_passed()`, but a day that an upstream table never had neither holds up the
# others nor counts as a failed check: a source may be switched off, or not have been fetched yet today.
FOLLOW: dg.AutomationCondition = dg.AutomationCondition.eager().without(
    ~dg.AutomationCondition.any_deps_missing()
).replace(
    "in_latest_time_window", dg.AutomationCondition.in_latest_time_window(FOLLOWED_DAYS)
) & dg.AutomationCondition.all_deps_match(_checked | dg.AutomationCondition.missing())


# What looks at all tables does so every half hour if some changed, whether or not their checks passed, and once a day
# anyhow: a day on which nothing came is told by nobody else.
_changed = dg.AutomationCondition.any_deps_updated().since(
    dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
) & dg.AutomationCondition.cron_tick_passed("*/30 * * * *")
OBSERVE: dg.AutomationCondition = (
    dg.AutomationCondition.in_latest_time_window(FOLLOWED_DAYS)
    & (_changed | dg.AutomationCondition.cron_tick_passed("30 12 * * *"))
    & ~dg.AutomationCondition.in_progress()
)


@dg.definitions
def automation() -> dg.Definitions:
    """The sensor that evaluates the conditions, shipped running: the implicit one is off until someone finds it."""
    return dg.Definitions(
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "follow_upstream",
                target=dg.AssetSelection.all(),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=30,
                description="Materialises tables downstream of raw when their inputs changed and passed their checks.",
            )
        ]
    )
