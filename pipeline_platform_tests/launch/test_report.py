"""What makes a run of the main job a failed one."""

from datetime import date

import pytest

from pipeline_platform.launch.main_job import Report, Request

DAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("problem", "succeeded"),
    [
        ({}, True),
        ({"warnings": {"enriched/documents label_drift": "Unlike the week before."}}, True),
        ({"failed_checks": {"enriched/documents": "Broken."}}, False),
        ({"failed_steps": {"raw/reddit_posts": "no answer"}}, False),
    ],
    ids=["nothing", "a warning", "a contract", "a step"],
)
def test_a_warning_fails_nothing(problem: dict[str, dict[str, str]], succeeded: bool) -> None:
    assert Report(Request(DAY, DAY), **problem).succeeded is succeeded
