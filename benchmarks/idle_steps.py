"""Jobs of steps that do nothing, with the executor of the settings: what `executors` measures with."""

import dagster as dg

from pipeline_platform.defs.execution import executor_of, step_tags
from pipeline_platform.settings import load_settings


def _job(steps: int) -> dg.JobDefinition:
    @dg.op(out=dg.Out(dg.Nothing), tags=step_tags("aggregated"))
    def idle() -> None:
        return None

    @dg.job(name=f"idle_{steps}", executor_def=executor_of(load_settings()))
    def idle_job() -> None:
        for number in range(steps):
            idle.alias(f"idle_{number}")()

    return idle_job


def idle_1() -> dg.JobDefinition:
    return _job(1)


def idle_10() -> dg.JobDefinition:
    return _job(10)


def idle_100() -> dg.JobDefinition:
    return _job(100)
