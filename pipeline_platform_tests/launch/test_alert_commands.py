"""The commands about alerts, as a user types them."""

from pathlib import Path

import orjson
import pytest

from pipeline_platform.operate.alert_rules import RULES
from pipeline_platform.storage.servers import ServerUrls
from pipeline_platform_tests.conftest import run_command


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_rules_are_listed_with_their_severities_as_set(home: Path) -> None:
    answer = run_command(home, "alerts", "rules", "--json", PIPELINE_ALERTS__SEVERITIES='{"no_data": "warning"}')
    rules = {row["rule"]: row for row in orjson.loads(answer.stdout)}
    assert rules.keys() == {rule.name for rule in RULES}
    assert (rules["no_data"]["severity"], rules["check_failed"]["severity"]) == ("warning", "critical")
    assert not home.exists()


def test_a_test_without_a_channel_says_what_to_set(home: Path) -> None:
    answer = run_command(home, "alerts", "test")
    assert answer.returncode == 2
    assert "PIPELINE_ALERTS__EMAIL_TO" in answer.stderr


def test_a_test_tells_which_channel_fails_and_no_secret(home: Path) -> None:
    answer = run_command(
        home, "alerts", "test", "--json", PIPELINE_ALERTS__SLACK_WEBHOOK_URL="http://127.0.0.1:9/T0PS3CR3TPATH"
    )
    assert answer.returncode == 1
    (outcome,) = orjson.loads(answer.stdout)
    assert (outcome["channel"], outcome["sent"]) == ("slack", False)
    assert "refused" in outcome["error"]
    assert "T0PS3CR3TPATH" not in answer.stdout + answer.stderr


def test_a_channel_that_is_not_set_is_wrong_usage(home: Path) -> None:
    answer = run_command(
        home, "alerts", "test", "--channel", "email", PIPELINE_ALERTS__SLACK_WEBHOOK_URL="http://127.0.0.1:9/hook"
    )
    assert answer.returncode == 2
    assert "no channel is called email; set are slack" in answer.stderr


def test_before_anything_ran_no_alert_lasts(home: Path, fresh_servers: ServerUrls) -> None:
    servers = {"PIPELINE_POSTGRES_URL": fresh_servers.postgres, "PIPELINE_REDIS_URL": fresh_servers.redis}
    assert orjson.loads(run_command(home, "alerts", "list", "--json", **servers).stdout) == {
        "alerts": [],
        "channels": [],
        "evaluated_at": None,
    }
    said = run_command(home, "alerts", "list", **servers).stderr
    assert "no alert lasts" in said
    assert "nobody is told" in said
    assert "evaluated last: never" in said
