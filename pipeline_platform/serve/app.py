"""The application of `pipeline-platform api`: routers over the stores, which it only reads, and over Dagster."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from pipeline_platform import __version__
from pipeline_platform.serve import health, jobs, metrics
from pipeline_platform.serve.requests import ObservedRequests
from pipeline_platform.storage.stores import Stores

ROUTERS: tuple[Callable[[Stores], APIRouter], ...] = (metrics.router, health.router, jobs.router)
"""What the application consists of; a further part is a module and a line here."""

TOLD: TelemetryConfig = {"logs": False, "operation_spans": False, "auto_configure": False}


def create_app(stores: Stores) -> FastAPI:
    """The application over `stores`, which it closes when it ends.

    FastAPI's pages of the schema load scripts from elsewhere, and are off; the schema is at `/openapi.json`. Its spans
    and durations of requests are sent where `operate/tracing.py` was told to send them; the words of errors are not.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        stores.warehouse.close()
        stores.redis.close()

    app = FastAPI(
        title="pipeline_platform", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan, telemetry=TOLD
    )
    app.add_middleware(ObservedRequests)
    for router in ROUTERS:
        app.include_router(router(stores))
    return app
