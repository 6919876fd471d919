"""Batches of texts over the cores: this process, and a helper for every further core.

Components spend their time in Python, which uses one core. A helper takes seconds to start, so this process works on
meanwhile and hands batches over once one is ready; a day of a few thousand texts starts none. Texts lie in a file that
every process maps into its memory: nothing but answers is sent.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as arrow

from pipeline_platform.enrich.classifier import cores
from pipeline_platform.enrich.component import Component
from pipeline_platform.enrich.transformer import SentimentModel
from pipeline_platform.schemas.columns import TEXT

log = logging.getLogger(__name__)

BATCH = 1_000
"""Texts at a time: half a second of the slowest components, so that no process waits long for another."""

WORTH_HELPERS = 8_000
"""Texts from which helpers are started: fewer are done before one is ready."""

ON_ALL_CORES = frozenset({SentimentModel.name})
"""Components that use every core by themselves."""

Answers = dict[str, arrow.Array]


def applied(component: Component, texts: pd.Series, known: pd.DataFrame) -> Answers:
    """The columns of a component in their types.

    Args:
        component: which.
        texts: distinct texts; none may be none at all.
        known: the columns of earlier components, on the index of `texts`.
    """
    found = component.apply(texts.reset_index(drop=True), known[list(component.inputs)].reset_index(drop=True))
    return {
        name: arrow.array(pd.array(found[name].tolist(), dtype=column.dtype.type))
        for name, column in component.outputs.items()
    }


class Cores:
    """Applies components on several cores. What they say of a text does not depend on the batch that it is in.

    Args:
        components: as `configured` gives them, not yet at work.
        processes: processes to work with, this one included; as many as there are cores by default.
        worth_helpers: texts from which helpers are started.
    """

    def __init__(
        self, components: Sequence[Component], processes: int | None = None, worth_helpers: int = WORTH_HELPERS
    ) -> None:
        # Taken before they load their models, which cannot be sent.
        self._components = pickle.dumps(tuple(components))
        # A worker of Celery is a daemon, which may have no children.
        alone = multiprocessing.current_process().daemon
        self._helpers = 0 if alone else (processes or cores()) - 1
        self._worth_helpers = worth_helpers
        self._pool: ProcessPoolExecutor | None = None
        self._ready: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def apply(self, component: Component, texts: pd.Series, known: pd.DataFrame) -> Answers:
        """What `applied` gives."""
        if not self._helpers or len(texts) < self._worth_helpers or component.name in ON_ALL_CORES:
            return applied(component, texts, known)
        if self._pool is None:
            self._start()
        inputs = known[list(component.inputs)]
        with tempfile.TemporaryDirectory(prefix="pipeline-texts-") as folder:
            parts = self._shared(component, texts, inputs, Path(folder) / "texts.arrow")
        return {name: arrow.concat_arrays([part[name] for part in parts]) for name in component.outputs}

    def _start(self) -> None:
        # Not forked: another thread may hold a lock at that moment, which nobody would release in the helper.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._helpers, context, _prepare, (self._components,))
        self._ready = self._pool.submit(_nothing)

    def _shared(self, component: Component, texts: pd.Series, inputs: pd.DataFrame, file: Path) -> list[Answers]:
        """The answers batch by batch: this process begins at the front, helpers at the end."""
        waiting = deque(range(0, len(texts), BATCH))
        found: dict[int, Answers] = {}
        sent: dict[Future[Answers], int] = {}
        while waiting or sent:
            if waiting and self._reachable():
                _write(file, texts, inputs)
                self._send(component, file, waiting, sent)
            if waiting:
                begin = waiting.popleft()
                batch = slice(begin, begin + BATCH)
                found[begin] = applied(component, texts.iloc[batch], inputs.iloc[batch])
            else:
                wait(sent, return_when=FIRST_COMPLETED)
            for done in [one for one in sent if one.done()]:
                begin = sent.pop(done)
                try:
                    found[begin] = done.result()
                except BrokenProcessPool:
                    log.warning("a process that read texts was killed; this one goes on alone")
                    self._helpers = 0
                    waiting.append(begin)
        return [found[begin] for begin in sorted(found)]

    def _reachable(self) -> bool:
        return bool(self._helpers) and self._ready is not None and self._ready.done() and not self._ready.exception()

    def _send(self, component: Component, file: Path, waiting: "deque[int]", sent: dict[Future[Answers], int]) -> None:
        # One more than are at work, so that none waits for this process to end a batch.
        while self._pool is not None and len(waiting) > 1 and len(sent) <= self._helpers:
            begin = waiting.pop()
            try:
                sent[self._pool.submit(_answer, component.name, str(file), begin)] = begin
            except BrokenProcessPool:
                self._helpers = 0
                waiting.append(begin)
                return


def _write(file: Path, texts: pd.Series, inputs: pd.DataFrame) -> None:
    if file.exists():
        return
    frame = inputs.reset_index(drop=True).assign(text_=texts.reset_index(drop=True).astype(TEXT))
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    with arrow.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH)


_OWN: dict[str, Component] = {}
"""The components of this helper, by name."""


def _prepare(components: bytes) -> None:
    # Ctrl-C reaches every process of a terminal; the one that commands ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _OWN.update({component.name: component for component in pickle.loads(components)})  # noqa: S301 # from our parent


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _nothing() -> None:
    """Done as soon as there is a helper to do it."""


def _answer(name: str, file: str, begin: int) -> Answers:
    with arrow.memory_map(file) as mapped:
        table = arrow.Table.from_batches([arrow.ipc.open_file(mapped).get_batch(begin // BATCH)])
        frame = table.to_pandas(types_mapper=pd.ArrowDtype)
        return applied(_OWN[name], frame["text_"], frame.drop(columns="text_"))
