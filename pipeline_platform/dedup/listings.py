"""The built-in registry of assets: what the sources call a thing that is traded, and the one key for it here."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Listing(BaseModel):
    """An asset and its names.

    Attributes:
        key: `class:TICKER`, such as `crypto:BTC` or `equity:AAPL`.
        names: source to its symbols for the asset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z]+:[A-Z0-9][A-Z0-9.&-]*$")
    names: dict[str, tuple[str, ...]]

    @field_validator("names", mode="before")
    @classmethod
    def _one_or_several(cls, names: object) -> object:
        if not isinstance(names, dict):
            return names
        return {source: (symbols,) if isinstance(symbols, str) else symbols for source, symbols in names.items()}


def _coin(ticker: str, coingecko: str, yahoo: str | None = None) -> Listing:
    """A coin whose name at Yahoo needs a line only where it is not `TICKER-USD`."""
    names = {"coingecko": coingecko, **({"yahoo": yahoo} if yahoo else {})}
    return Listing(key=f"crypto:{ticker}", names=names)


LISTINGS: tuple[Listing, ...] = (
    _coin("BTC", "bitcoin"),
    _coin("ETH", "ethereum"),
    _coin("USDT", "tether"),
    _coin("USDC", "usd-coin"),
    _coin("BNB", "binancecoin"),
    _coin("XRP", "ripple"),
    _coin("SOL", "solana"),
    _coin("ADA", "cardano"),
    _coin("DOGE", "dogecoin"),
    _coin("TRX", "tron"),
    _coin("AVAX", "avalanche-2"),
    _coin("SHIB", "shiba-inu"),
    _coin("DOT", "polkadot"),
    _coin("LINK", "chainlink"),
    _coin("BCH", "bitcoin-cash"),
    _coin("LTC", "litecoin"),
    _coin("XLM", "stellar"),
    _coin("XMR", "monero"),
    _coin("ETC", "ethereum-classic"),
    _coin("UNI", "uniswap", "UNI7083-USD"),
    _coin("ATOM", "cosmos"),
    _coin("FIL", "filecoin"),
    _coin("HBAR", "hedera-hashgraph"),
    _coin("ICP", "internet-computer"),
    _coin("NEAR", "near"),
    _coin("APT", "aptos", "APT21794-USD"),
    _coin("ARB", "arbitrum", "ARB11841-USD"),
    _coin("OP", "optimism"),
    _coin("TON", "the-open-network", "TON11419-USD"),
    _coin("PEPE", "pepe", "PEPE24478-USD"),
    _coin("SUI", "sui", "SUI20947-USD"),
    _coin("AAVE", "aave"),
    _coin("ALGO", "algorand"),
    _coin("XTZ", "tezos"),
    _coin("ZEC", "zcash"),
    _coin("DAI", "dai"),
    Listing(key="index:SPX", names={"yahoo": ("^GSPC",)}),
    Listing(key="index:NDX", names={"yahoo": ("^NDX",)}),
    Listing(key="index:DJI", names={"yahoo": ("^DJI",)}),
    Listing(key="index:DAX", names={"yahoo": ("^GDAXI",)}),
    Listing(key="commodity:GOLD", names={"yahoo": ("GC=F",), "alpha_vantage": ("XAUUSD",)}),
    Listing(key="commodity:SILVER", names={"yahoo": ("SI=F",), "alpha_vantage": ("XAGUSD",)}),
    Listing(key="commodity:WTI", names={"yahoo": ("CL=F",), "alpha_vantage": ("WTI",)}),
)
"""Shares and currencies need no line: their key follows from the symbol, see `dedup/assets.py`."""
