"""`/metrics` for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline_platform.operate import tracing
from pipeline_platform.operate.metrics import PlatformCollector
from pipeline_platform.storage.stores import Stores


def router(stores: Stores) -> APIRouter:
    """The route over `stores`."""
    routes = APIRouter(tags=["observability"])
    registry = CollectorRegistry()
    collector = PlatformCollector(stores)
    registry.register(collector)
    if tracing.configure(stores.settings):
        tracing.export_metrics(collector)

    @routes.get("/metrics", response_class=Response, summary="Metrics in the format of Prometheus or OpenMetrics.")
    def metrics(accept: Annotated[str, Header()] = "") -> Response:
        encode, content_type = choose_encoder(accept)
        return Response(encode(registry), headers={"Content-Type": content_type})

    return routes
