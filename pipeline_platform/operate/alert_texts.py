"""What is written about alerts, the same for every channel."""

from collections.abc import Sequence

from pipeline_platform.operate.alert_rules import rule_named
from pipeline_platform.operate.alert_settings import SEVERITIES
from pipeline_platform.storage.incident_log import Incident, Notice

HEADLINE_CHARACTERS = 200
MESSAGE_CHARACTERS = 1500
_VERBS = {"firing": "", "worse": "worse: ", "lasting": "still: ", "resolved": "resolved: "}


def headline(notices: Sequence[Notice]) -> str:
    """One line about notices."""
    mark = f"[{marked(notices)}]"
    if len(notices) == 1:
        text = f"{mark} {_VERBS[notices[0].event]}{notices[0].incident.rule}: {notices[0].message}"
    else:
        subjects = sorted({notice.incident.subject for notice in notices})
        text = f"{mark} {len(notices)} alerts: {', '.join(subjects)}"
    line = " ".join(text.split())
    return line if len(line) <= HEADLINE_CHARACTERS else f"{line[: HEADLINE_CHARACTERS - 1]}…"


def marked(notices: Sequence[Notice]) -> str:
    """The worst severity of notices, or `resolved` if all are."""
    lasting = [notice.severity for notice in notices if notice.event != "resolved"]
    return max(lasting, key=SEVERITIES.index) if lasting else "resolved"


def body(notices: Sequence[Notice], ui_url: str | None) -> str:
    """Everything about notices: what is wrong since when, where to see more, what to do."""
    return "\n\n".join(_paragraph(notice, ui_url) for notice in notices) + "\n"


def link(incident: Incident, ui_url: str | None) -> str | None:
    """Where the Dagster UI shows more."""
    return f"{ui_url.rstrip('/')}{incident.path}" if ui_url and incident.path else None


def _paragraph(notice: Notice, ui_url: str | None) -> str:
    incident = notice.incident
    lines = [
        f"{_VERBS[notice.event]}{notice.message[:MESSAGE_CHARACTERS]}",
        f"{incident.rule} {incident.subject}, {notice.severity}, since {incident.began_at:%Y-%m-%d %H:%M} UTC",
    ]
    if notice.event == "resolved":
        ended = incident.resolved_at or notice.made_at
        lines[-1] += f", over {ended:%Y-%m-%d %H:%M} UTC"
        return "\n".join(lines)
    if shown := link(incident, ui_url):
        lines.append(f"See {shown}")
    if rule := rule_named(incident.rule):
        lines.append(f"Then: {rule.runbook}")
    return "\n".join(lines)
