"""Places that are known by a key: what is told of one, and those that are built in."""

from pydantic import BaseModel, ConfigDict, Field


class RegisteredPlace(BaseModel):
    """A place under one key, whatever sources call it.

    `key` is `berlin-de`; `lat` and `lon` are degrees north and east; `names` are other names, by which it is found
    where a row has no coordinates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    name: str = Field(min_length=1)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    names: tuple[str, ...] = ()


def _city(key: str, name: str, lat: float, lon: float, *names: str) -> RegisteredPlace:
    return RegisteredPlace(key=key, name=name, country=key[-2:].upper(), lat=lat, lon=lon, names=names)


CITIES = (
    _city("abidjan-ci", "Abidjan", 5.36, -4.01),
    _city("alexandria-eg", "Alexandria", 31.2, 29.92),
    _city("amsterdam-nl", "Amsterdam", 52.37, 4.9),
    _city("ankara-tr", "Ankara", 39.93, 32.86),
    _city("athens-gr", "Athens", 37.98, 23.73, "Athina"),
    _city("auckland-nz", "Auckland", -36.85, 174.76),
    _city("baghdad-iq", "Baghdad", 33.31, 44.37),
    _city("bangalore-in", "Bangalore", 12.97, 77.59, "Bengaluru"),
    _city("bangkok-th", "Bangkok", 13.76, 100.5, "Krung Thep"),
    _city("barcelona-es", "Barcelona", 41.39, 2.17),
    _city("beijing-cn", "Beijing", 39.9, 116.41, "Peking"),
    _city("berlin-de", "Berlin", 52.52, 13.41),
    _city("bogota-co", "Bogotá", 4.71, -74.07),
    _city("buenos-aires-ar", "Buenos Aires", -34.6, -58.38),
    _city("cairo-eg", "Cairo", 30.04, 31.24),
    _city("cape-town-za", "Cape Town", -33.92, 18.42, "Kaapstad"),
    _city("chengdu-cn", "Chengdu", 30.57, 104.07),
    _city("chennai-in", "Chennai", 13.08, 80.27, "Madras"),
    _city("chicago-us", "Chicago", 41.88, -87.63),
    _city("chongqing-cn", "Chongqing", 29.56, 106.55),
    _city("delhi-in", "Delhi", 28.61, 77.21, "New Delhi"),
    _city("dhaka-bd", "Dhaka", 23.81, 90.41),
    _city("guangzhou-cn", "Guangzhou", 23.13, 113.26, "Canton"),
    _city("hanoi-vn", "Hanoi", 21.03, 105.85),
    _city("ho-chi-minh-city-vn", "Ho Chi Minh City", 10.82, 106.63, "Saigon"),
    _city("hong-kong-hk", "Hong Kong", 22.32, 114.17),
    _city("hyderabad-in", "Hyderabad", 17.39, 78.49),
    _city("istanbul-tr", "Istanbul", 41.01, 28.98),
    _city("jakarta-id", "Jakarta", -6.21, 106.85),
    _city("johannesburg-za", "Johannesburg", -26.2, 28.05),
    _city("karachi-pk", "Karachi", 24.86, 67.01),
    _city("kinshasa-cd", "Kinshasa", -4.32, 15.31),
    _city("kolkata-in", "Kolkata", 22.57, 88.36, "Calcutta"),
    _city("kyiv-ua", "Kyiv", 50.45, 30.52, "Kiev"),
    _city("lagos-ng", "Lagos", 6.52, 3.38),
    _city("lahore-pk", "Lahore", 31.55, 74.34),
    _city("lima-pe", "Lima", -12.05, -77.04),
    _city("london-gb", "London", 51.51, -0.13),
    _city("los-angeles-us", "Los Angeles", 34.05, -118.24),
    _city("luanda-ao", "Luanda", -8.84, 13.23),
    _city("madrid-es", "Madrid", 40.42, -3.7),
    _city("manila-ph", "Manila", 14.6, 120.98),
    _city("mexico-city-mx", "Mexico City", 19.43, -99.13, "Ciudad de México"),
    _city("moscow-ru", "Moscow", 55.76, 37.62, "Moskva"),
    _city("mumbai-in", "Mumbai", 19.08, 72.88, "Bombay"),
    _city("nairobi-ke", "Nairobi", -1.29, 36.82),
    _city("new-york-us", "New York", 40.71, -74.01, "New York City"),
    _city("osaka-jp", "Osaka", 34.69, 135.5),
    _city("paris-fr", "Paris", 48.86, 2.35),
    _city("reykjavik-is", "Reykjavík", 64.15, -21.94),
    _city("rio-de-janeiro-br", "Rio de Janeiro", -22.91, -43.17),
    _city("riyadh-sa", "Riyadh", 24.71, 46.68),
    _city("rome-it", "Rome", 41.9, 12.5, "Roma"),
    _city("santiago-cl", "Santiago", -33.45, -70.67, "Santiago de Chile"),
    _city("sao-paulo-br", "São Paulo", -23.55, -46.63),
    _city("seoul-kr", "Seoul", 37.57, 126.98),
    _city("shanghai-cn", "Shanghai", 31.23, 121.47),
    _city("shenzhen-cn", "Shenzhen", 22.54, 114.06),
    _city("singapore-sg", "Singapore", 1.35, 103.82),
    _city("sydney-au", "Sydney", -33.87, 151.21),
    _city("tehran-ir", "Tehran", 35.69, 51.39),
    _city("tianjin-cn", "Tianjin", 39.34, 117.36),
    _city("tokyo-jp", "Tokyo", 35.68, 139.69),
    _city("toronto-ca", "Toronto", 43.65, -79.38),
    _city("vienna-at", "Vienna", 48.21, 16.37, "Wien"),
    _city("warsaw-pl", "Warsaw", 52.23, 21.01, "Warszawa"),
    _city("wuhan-cn", "Wuhan", 30.59, 114.31),
)
"""The places of the default watch lists, capitals and the largest cities, to two decimals."""
