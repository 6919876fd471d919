"""The weather of the synthetic world: of any place and moment, by season, time of day and passing fronts.

Every weather upstream shows it, each in its own units and with its own small errors of measurement.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from pipeline_platform.sandbox.cast import Place

if TYPE_CHECKING:
    # The world itself looks at its rain.
    from pipeline_platform.sandbox.world import World


@dataclass(frozen=True)
class Sky:
    """The weather of a place at a moment, in metric units."""

    celsius: float
    humidity: int
    pressure: int
    wind: float
    direction: int
    clouds: int
    fall: float

    @property
    def snows(self) -> bool:
        """Whether what falls is snow."""
        return self.celsius < 0.5


def sky(world: "World", place: Place, at: datetime) -> Sky:
    """The weather of `place` at `at`; continuous in time, and the forecast of it always comes true."""
    days = at.timestamp() / 86400
    rng = world.rng("weather", place.lat, place.lon)
    phases = [rng.random() for _ in range(4)]
    # Coldest in mid January in the north, in mid July in the south; coldest hour about 4 o'clock by the sun.
    season = -math.cos(2 * math.pi * (days - 15) / 365.25) * (place.lat / 90)
    sun = -math.cos(2 * math.pi * (days + place.lon / 360 - 4 / 24))
    front = math.sin(2 * math.pi * (days / 5.3 + phases[0])) + 0.5 * math.sin(2 * math.pi * (days / 2.1 + phases[1]))
    cloudiness = min(1.0, max(0.0, 0.5 + 0.4 * front + 0.15 * math.sin(2 * math.pi * (days / 0.4 + phases[2]))))
    celsius = 27 - 0.38 * abs(place.lat) + 16 * season + 4 * sun * (1.2 - cloudiness) - 1.5 * front
    return Sky(
        celsius=round(celsius, 2),
        humidity=round(min(100.0, max(15.0, 62 + 25 * (cloudiness - 0.4) - 8 * sun))),
        pressure=round(1014 - 9 * front),
        wind=round(2.5 + 2.2 * abs(front) + 1.5 * math.sin(2 * math.pi * (days / 0.7 + phases[3])) ** 2, 2),
        direction=round(180 + 110 * front) % 360,
        clouds=round(100 * cloudiness),
        fall=round(max(0.0, cloudiness - 0.72) * 6, 2),
    )


def rain(world: "World", place: Place, day: date) -> float:
    """The rain of `place` on `day` in mm: what its 24 hours show, added up."""
    midnight = datetime.combine(day, time(), UTC)
    hours = (sky(world, place, midnight + timedelta(hours=hour)) for hour in range(24))
    return sum(one.fall for one in hours if not one.snows)


def place_at(world: "World", lat: float, lon: float) -> Place:
    """The place of the world at these coordinates; elsewhere one without name and country."""
    for place in world.places:
        if (place.lat, place.lon) == (lat, lon):
            return place
    return Place("", "", lat, lon)
