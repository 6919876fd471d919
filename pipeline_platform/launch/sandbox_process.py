"""The sandbox as a process of its own: beside the pipeline, not inside it, as a real upstream would be."""

import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from pipeline_platform.settings import SettingsError

START_SECONDS = 60


@dataclass(frozen=True)
class SandboxOptions:
    """Options of `pipeline-platform sandbox`."""

    port: int = 0
    recordings: Path | None = None
    faults: str | None = None
    seed: int = 1
    scale: int = 1

    def arguments(self) -> list[str]:
        """As command line arguments."""
        given = ["--port", str(self.port), "--seed", str(self.seed), "--scale", str(self.scale)]
        given += ["--json", "--until-stdin-closes"]
        if self.recordings is not None:
            given += ["--recordings", str(self.recordings.absolute())]
        if self.faults:
            given += ["--faults", self.faults]
        return given


@contextmanager
def running_sandbox(options: SandboxOptions) -> Iterator[str]:
    """Start the sandbox and give its URL; it stops with the body.

    Raises:
        SettingsError: it did not start; the message has its last words.
    """
    # A file: nobody reads while the sandbox runs, and a full pipe would stop it.
    with tempfile.TemporaryFile() as words, _started(options, words) as process:
        yield _url(process, words)


@contextmanager
def _started(options: SandboxOptions, words: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline_platform.cli", "sandbox", *options.arguments()],
        # It ends when this pipe closes, so that no sandbox outlives a command that was killed.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        # Ctrl-C goes to the whole foreground group: the sandbox must outlive the run that is being ended orderly.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _url(process: "subprocess.Popen[bytes]", words: IO[bytes]) -> str:
    assert process.stdout is not None
    ready = selectors.DefaultSelector()
    ready.register(process.stdout, selectors.EVENT_READ)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if ready.select(timeout=0.5):
            line = process.stdout.readline()
            if line:
                return str(orjson.loads(line)["url"])
        if process.poll() is not None:
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines()
            errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
            reason = (errors or said or ["it said nothing"])[-1]
            raise SettingsError(f"the sandbox did not start: {reason}")
    raise SettingsError(f"the sandbox did not start within {START_SECONDS} s")
