"""A job of steps that do nothing, beside each other: what `executors` measures with, and workers load by name."""

import dagster as dg

from pipeline_platform.defs.execution import executor_of, step_tags
from pipeline_platform.settings import load_settings


def idle_job(steps: int, executor: str) -> dg.JobDefinition:
    @dg.op(out=dg.Out(dg.Nothing), tags=step_tags("aggregated"))
    def idle() -> None:
        return None

    settings = load_settings().model_copy(update={"executor": executor})

    @dg.job(name=f"idle_{steps}_{executor}", executor_def=executor_of(settings))
    def idle_steps() -> None:
        for number in range(steps):
            idle.alias(f"idle_{number}")()

    return idle_steps
