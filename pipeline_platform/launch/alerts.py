"""The commands about alerts."""

from typing import Annotated

import typer

from pipeline_platform.launch.options import AsJson
from pipeline_platform.operate.alert_settings import Severity
from pipeline_platform.settings import load_settings

alerts = typer.Typer(
    no_args_is_help=True, help="What is wrong, and who is told: list it, test the channels, see the rules."
)


@alerts.command("list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too, the newest 200.")] = False,
    as_json: AsJson = False,
) -> None:
    """List alerts that last, newest first, and channels that fail.

    They are evaluated by the sensor `alerts` of `pipeline-platform up`, and at the end of `pipeline-platform run`; when
    last, is said on stderr.
    """
    from dataclasses import asdict

    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.operate.alert_channels import channels
    from pipeline_platform.storage.incident_log import IncidentLog
    from pipeline_platform.storage.stores import Stores

    settings = load_settings()
    with platform_environment(settings, with_sandbox=False) as ready:
        log = IncidentLog(Stores(ready).warehouse)
        found, states, evaluated = log.incidents(everything=everything), log.channels(), log.evaluated_at()
    named = {channel.name for channel in channels(settings.alerts)}
    states = [state for state in states if state.name in named]
    if as_json:
        alerts_found = [asdict(one) for one in found]
        console.print_json(
            {"alerts": alerts_found, "channels": [asdict(one) for one in states], "evaluated_at": evaluated}
        )
        return
    if found:
        rows = [[o.severity, o.rule, o.subject, o.message, o.began_at, o.resolved_at or "lasts"] for o in found]
        console.print_rows("Alerts", ("severity", "rule", "subject", "message", "since (UTC)", "resolved (UTC)"), rows)
    else:
        console.note("no alerts" if everything else "no alert lasts")
    for state in states:
        if state.failures:
            console.warn(
                f"{state.name} failed {state.failures} times in a row, next try {state.next_try_at}: {state.error}"
            )
    if not named:
        console.note("nobody is told: no channel is set (PIPELINE_ALERTS__… in .env.example)")
    console.note(f"evaluated last: {f'{evaluated:%Y-%m-%d %H:%M:%S} UTC' if evaluated else 'never'}")


@alerts.command("test")
def try_channels(
    only: Annotated[
        list[str] | None,
        typer.Option("--channel", metavar="NAME", help="Only this channel or kind; may be given several times."),
    ] = None,
    severity: Annotated[Severity, typer.Option(help="Severity of the test.")] = "critical",
    as_json: AsJson = False,
) -> None:
    """Send a test alert, and that it is resolved, through every channel, whatever its severities and quiet hours.

    Exit code 0 only if every channel took it, 1 with the reason if one did not, 2 if none is set.
    """
    from datetime import UTC, datetime

    from pipeline_platform.launch import console
    from pipeline_platform.operate.alert_channels import channels
    from pipeline_platform.operate.alerting import send_test
    from pipeline_platform.settings import SettingsError

    found = channels(load_settings().alerts)
    if not found:
        raise SettingsError(
            "no channel is set: PIPELINE_ALERTS__EMAIL_TO, …__SLACK_WEBHOOK_URL, …__PAGERDUTY_ROUTING_KEY or "
            "…__APPRISE_URLS; see .env.example"
        )
    asked = [channel for channel in found if not only or channel.name in only or channel.kind in only]
    if not asked:
        names = ", ".join(channel.name for channel in found)
        raise typer.BadParameter(
            f"no channel is called {' or '.join(only or [])}; set are {names}", param_hint="--channel"
        )
    outcomes = {channel.name: send_test(channel, severity, datetime.now(UTC)) for channel in asked}
    if as_json:
        console.print_json(
            [{"channel": name, "sent": error is None, "error": error} for name, error in outcomes.items()]
        )
    else:
        console.print_rows(
            "Test", ("channel", "outcome"), [[name, error or "sent"] for name, error in outcomes.items()]
        )
    raise typer.Exit(1 if any(outcomes.values()) else 0)


@alerts.command("rules")
def list_rules(as_json: AsJson = False) -> None:
    """List the rules: severity, what each tells with the settings that decide it, and what to do then."""
    from pipeline_platform.launch import console
    from pipeline_platform.operate.alert_rules import RULES, refuse_unknown_rules

    settings = load_settings().alerts
    refuse_unknown_rules(settings)
    rows = [
        {
            "rule": rule.name,
            "severity": settings.severities.get(rule.name, rule.severity),
            "means": rule.means,
            "then": rule.runbook,
        }
        for rule in RULES
    ]
    if as_json:
        console.print_json(rows)
    else:
        console.print_rows("Rules", ("rule", "severity", "means", "then"), [list(row.values()) for row in rows])
