"""What assets work with: the stores, and the IO manager that reads and writes tables of the lake."""

from datetime import date

import dagster as dg
import pandas as pd
from pydantic import PrivateAttr

from pipeline_platform.operate.measures import note_rows
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.stores import Stores


class StoresResource(dg.ConfigurableResource):
    """Lake, warehouse and Redis of the settings."""

    _stores: Stores = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Read the settings; the stores themselves open on first use."""
        self._stores = Stores(load_settings())

    @property
    def open(self) -> Stores:
        """The stores."""
        return self._stores


def table_of(key: dg.AssetKey) -> Table:
    """The table behind an asset key."""
    return tables()["/".join(key.path)]


class LakeIOManager(dg.ConfigurableIOManager):
    """Frames to Delta and back: the asked days of a table are replaced, or read, in one go."""

    stores: dg.ResourceDependency[StoresResource]

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        """Make `obj` the rows of the days of the run; commits nothing when they already are."""
        table = table_of(context.asset_key)
        days = context.asset_partition_key_range
        first, last = date.fromisoformat(days.start), date.fromisoformat(days.end)
        lake = self.stores.open.lake
        written = lake.replace(table, obj, first, last)
        note_rows(self.stores.open, table, obj, first, last)
        context.add_output_metadata(
            {
                "changed": written,
                "delta version": dg.MetadataValue.int(lake.version(table) or 0),
                "path": dg.MetadataValue.path(lake.address(table)),
            }
        )

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """The rows of the days that the partition mapping asks for."""
        days = context.asset_partition_key_range
        return self.stores.open.lake.read(
            table_of(context.asset_key), date.fromisoformat(days.start), date.fromisoformat(days.end)
        )


@dg.definitions
def resources() -> dg.Definitions:
    """Resources by the names assets ask for them."""
    stores = StoresResource()
    return dg.Definitions(resources={"stores": stores, "lake_io": LakeIOManager(stores=stores)})
