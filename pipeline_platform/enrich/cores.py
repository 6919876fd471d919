"""Batches of texts over the cores, in threads.

Nearly all that components do is done by code that leaves Python's lock to others: Arrow, compiled loops, ONNX Runtime.
So threads use the cores, nothing is copied, and a small day gains as well as a large one.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline_platform.enrich.classifier import cores

T = TypeVar("T")

BATCH = 2_000
"""Texts at a time: many enough for compiled code to be at work most of the time, few enough to keep every core busy."""


def in_batches(read: Callable[[slice], T], count: int, threads: int | None = None) -> list[T]:
    """What `read` makes of each batch, in order.

    Args:
        read: gets the positions of a batch; called by several threads at once.
        count: texts that there are. Without any, `read` gets an empty batch.
        threads: how many; as many as there are cores by default.
    """
    batches = [slice(begin, min(begin + BATCH, count)) for begin in range(0, max(count, 1), BATCH)]
    if len(batches) == 1:
        return [read(batches[0])]
    with ThreadPoolExecutor(threads or cores()) as pool:
        return list(pool.map(read, batches))
