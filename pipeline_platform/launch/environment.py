"""The environment of a command: servers running, sandbox reachable in demo mode, addresses in the environment.

Dagster starts processes of its own; the environment is how they learn where everything is. This is the only place that
writes it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import orjson

from pipeline_platform.launch.instance import prepare_dagster_home
from pipeline_platform.launch.sandbox_process import SandboxOptions, running_sandbox
from pipeline_platform.settings import PREFIX, Settings, SettingsError, load_settings, source_settings
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.servers import running_servers

INBOX = "inbox"
"""Setting of a source that takes files, and the folder of `$PIPELINE_HOME` that it is unless set."""


@contextmanager
def platform_environment(
    settings: Settings,
    sandbox: SandboxOptions | None = None,
    *,
    with_sandbox: bool = True,
    more: Mapping[str, str] | None = None,
) -> Iterator[Settings]:
    """Run the body with everything the platform needs; gives the settings as they are then.

    Args:
        settings: the settings as the user gave them.
        sandbox: how to start the sandbox in demo mode.
        with_sandbox: False for commands that fetch nothing.
        more: further variables.

    Raises:
        SettingsError: a server or the sandbox cannot be reached or started.
    """
    before = dict(os.environ)
    with ExitStack() as stack:
        stack.callback(_restore, before)
        urls = stack.enter_context(running_servers(settings))
        os.environ[f"{PREFIX}POSTGRES_URL"] = urls.postgres
        os.environ[f"{PREFIX}REDIS_URL"] = urls.redis
        os.environ.update(more or {})
        os.environ[f"{PREFIX}HOME"] = str(settings.home.absolute())
        for source in SOURCES:
            if INBOX in source.settings.model_fields and getattr(source_settings(source), INBOX) is None:
                folder = settings.home.absolute() / INBOX
                os.environ[f"{PREFIX}{source.name.upper()}__{INBOX.upper()}"] = str(folder)
        prepare_dagster_home(settings)
        if settings.mode == "demo" and with_sandbox:
            url = settings.sandbox_url or stack.enter_context(running_sandbox(sandbox or SandboxOptions()))
            os.environ[f"{PREFIX}SANDBOX_URL"] = url
            _watch_what_the_sandbox_holds(url)
        yield load_settings()


def _restore(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)


def _watch_what_the_sandbox_holds(url: str) -> None:
    """Point every source at the sandbox and at what it holds; what the user set stays as it is."""
    try:
        answer = httpx.get(f"{url}/watch", timeout=30, trust_env=False).raise_for_status()
        offered: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise SettingsError(
            f"PIPELINE_SANDBOX_URL: no sandbox answers at {url} ({type(error).__name__}); "
            "unset it and one is started, or start one with `pipeline-platform sandbox`"
        ) from None
    for source in SOURCES:
        for field, value in offered.get(source.name, {}).items():
            name = f"{PREFIX}{source.name.upper()}__{field.upper()}"
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            os.environ.setdefault(name, text)
