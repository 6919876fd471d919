"""The gazetteer of cryptocurrencies: how people write them, and CoinGecko's id, by which prices are kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coin:
    """A cryptocurrency.

    Attributes:
        id: CoinGecko's id; the `symbol` of its market bars.
        symbol: ticker, upper case; found as `$BTC`.
        names: names that mean nothing else, in lower case; found in any case.
        bare: the ticker is no word or abbreviation of anything common, so it is also found without the dollar sign,
            in capitals.
    """

    id: str
    symbol: str
    names: tuple[str, ...] = ()
    bare: bool = False


COINS: tuple[Coin, ...] = (
    Coin("bitcoin", "BTC", ("bitcoin", "bitcoins"), bare=True),
    Coin("ethereum", "ETH", ("ethereum",), bare=True),
    Coin("tether", "USDT", bare=True),
    Coin("usd-coin", "USDC", bare=True),
    Coin("binancecoin", "BNB", bare=True),
    Coin("ripple", "XRP", bare=True),
    Coin("solana", "SOL", ("solana",)),
    Coin("cardano", "ADA", ("cardano",)),
    Coin("dogecoin", "DOGE", ("dogecoin",)),
    Coin("tron", "TRX", bare=True),
    Coin("avalanche-2", "AVAX", bare=True),
    Coin("shiba-inu", "SHIB", bare=True),
    Coin("polkadot", "DOT", ("polkadot",)),
    Coin("chainlink", "LINK", ("chainlink",)),
    Coin("bitcoin-cash", "BCH", ("bitcoin cash",), bare=True),
    Coin("litecoin", "LTC", ("litecoin",), bare=True),
    Coin("stellar", "XLM", bare=True),
    Coin("monero", "XMR", ("monero",), bare=True),
    Coin("ethereum-classic", "ETC", ("ethereum classic",)),
    Coin("uniswap", "UNI", ("uniswap",)),
    Coin("cosmos", "ATOM"),
    Coin("filecoin", "FIL", ("filecoin",)),
    Coin("hedera-hashgraph", "HBAR", ("hedera",), bare=True),
    Coin("internet-computer", "ICP"),
    Coin("near", "NEAR", ("near protocol",)),
    Coin("aptos", "APT"),
    Coin("arbitrum", "ARB", ("arbitrum",)),
    Coin("optimism", "OP"),
    Coin("the-open-network", "TON", ("toncoin",)),
    Coin("pepe", "PEPE"),
    Coin("sui", "SUI"),
    Coin("aave", "AAVE", ("aave",), bare=True),
    Coin("algorand", "ALGO", ("algorand",)),
    Coin("tezos", "XTZ", ("tezos",), bare=True),
    Coin("zcash", "ZEC", ("zcash",), bare=True),
    Coin("dai", "DAI"),
)

ID_BY_SYMBOL: dict[str, str] = {coin.symbol: coin.id for coin in COINS}
