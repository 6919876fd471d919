"""Well-known organisations and products, how people write them, and the listed asset behind them. Our own list."""

from dataclasses import dataclass

# Asset, or nothing | names, the usual one first; `?` before names that are also words or persons' | products
_ORGANISATIONS = """
equity:AAPL|?Apple,Apple Inc|iPhone,iPhones,iPad,iPads,MacBook,iMac,iOS,macOS,AirPods,Apple Watch,iCloud,iPod,iTunes
equity:MSFT|Microsoft|Xbox,GitHub Copilot,Microsoft Azure,Azure,Windows 10,Windows 11,Microsoft Teams,PowerPoint,VS Code
equity:GOOGL|Google,Alphabet Inc,DeepMind|Gmail,Google Maps,Google Chrome,Chromebook,Google Pixel,Google Cloud
equity:GOOGL|YouTube|
equity:AMZN|?Amazon,Amazon.com,AWS,Amazon Web Services|Kindle,Amazon Prime,Prime Video
equity:META|Meta Platforms,Facebook|Instagram,WhatsApp,Oculus
equity:TSLA|Tesla|Cybertruck,Model 3,Powerwall
equity:NVDA|Nvidia|GeForce
equity:AMD|AMD,Advanced Micro Devices|Ryzen
equity:INTC|Intel|
equity:QCOM|Qualcomm|Snapdragon
equity:AVGO|Broadcom|
equity:TSM|TSMC,Taiwan Semiconductor|
equity:ASML|ASML|
equity:ORCL|?Oracle,Oracle Corp|MySQL
equity:IBM|IBM|
equity:CRM|Salesforce|
equity:ADBE|Adobe|Photoshop
equity:NFLX|Netflix|
equity:DIS|Disney,Walt Disney|Disney Plus
equity:CMCSA|Comcast,NBCUniversal|
equity:WBD|Warner Bros Discovery,Warner Bros|
equity:SPOT|Spotify|
equity:UBER|Uber|
equity:LYFT|Lyft|
equity:ABNB|Airbnb|
equity:PYPL|PayPal|Venmo
equity:V|?Visa,Visa Inc|
equity:MA|Mastercard|
equity:JPM|JPMorgan,JP Morgan,J.P. Morgan,JPMorgan Chase|
equity:BAC|Bank of America|
equity:C|Citigroup,Citibank|
equity:WFC|Wells Fargo|
equity:GS|Goldman Sachs|
equity:MS|Morgan Stanley|
equity:BLK|BlackRock|
equity:BRK.B|Berkshire Hathaway|
equity:COIN|Coinbase|
equity:HOOD|Robinhood Markets|
equity:MSTR|MicroStrategy|
equity:GME|GameStop|
equity:AMC|AMC Entertainment|
equity:WMT|Walmart|
equity:TGT|?Target,Target Corp|
equity:COST|Costco|
equity:HD|Home Depot|
equity:LOW|Lowe's|
equity:KR|Kroger|
equity:SBUX|Starbucks|
equity:MCD|McDonald's,McDonalds|Big Mac
equity:YUM|KFC,Taco Bell,Pizza Hut|
equity:CMG|Chipotle|
equity:KO|Coca-Cola,Coca Cola|
equity:PEP|PepsiCo,Pepsi|Gatorade
equity:PG|Procter & Gamble,P&G|
equity:NKE|?Nike,Nike Inc|
equity:JNJ|Johnson & Johnson|
equity:PFE|Pfizer|
equity:MRNA|Moderna|
equity:MRK|Merck|
equity:LLY|Eli Lilly|Zepbound,Mounjaro
equity:NVO|Novo Nordisk|Ozempic,Wegovy
equity:UNH|UnitedHealth|
equity:CVS|CVS Health|
equity:XOM|Exxon,ExxonMobil,Exxon Mobil|
equity:CVX|?Chevron,Chevron Corp|
equity:SHEL|?Shell,Shell plc,Royal Dutch Shell|
equity:BP|BP|
equity:TTE|TotalEnergies|
equity:BA|Boeing|737 MAX
equity:AIR.PA|Airbus|
equity:LMT|Lockheed Martin|
equity:RTX|Raytheon|
equity:GE|General Electric|
equity:CAT|?Caterpillar,Caterpillar Inc|
equity:F|?Ford,Ford Motor,Ford Motor Company|
equity:GM|General Motors|
equity:RIVN|Rivian|
equity:T|AT&T|
equity:VZ|Verizon|
equity:TMUS|T-Mobile|
equity:CSCO|Cisco|
equity:DELL|?Dell,Dell Technologies|
equity:HPQ|Hewlett-Packard,Hewlett Packard|
equity:MU|Micron Technology|
equity:PLTR|Palantir|
equity:SNOW|?Snowflake,Snowflake Inc|
equity:NET|Cloudflare|
equity:CRWD|CrowdStrike|
equity:SHOP|Shopify|
equity:SQ|Block Inc|Cash App
equity:ZM|?Zoom,Zoom Video|
equity:SNAP|Snap Inc|Snapchat
equity:PINS|Pinterest|
equity:RDDT|Reddit|
equity:RBLX|Roblox|
equity:EA|Electronic Arts,EA Sports|
equity:TTWO|Take-Two Interactive,Rockstar Games|
equity:SONY|Sony|PlayStation,PS4,PS5
equity:TM|Toyota|
equity:HMC|Honda|
equity:SAP|SAP SE|
equity:SIE.DE|Siemens|
equity:VOW3.DE|Volkswagen|
equity:BMW.DE|BMW|
equity:MBG.DE|Mercedes-Benz,Mercedes|
equity:DBK.DE|Deutsche Bank|
equity:LHA.DE|Lufthansa|
equity:BABA|Alibaba|
equity:BIDU|Baidu|
equity:JD|JD.com|
equity:NIO|NIO Inc|
equity:005930.KS|Samsung|Galaxy S24
equity:NTDOY|Nintendo|Nintendo Switch,Wii
equity:UBS|UBS|
equity:HSBC|HSBC|
equity:BCS|Barclays|
equity:NOK|Nokia|
equity:ERIC|Ericsson|
equity:DAL|Delta Air Lines|
equity:UAL|United Airlines|
equity:AAL|American Airlines|
equity:LUV|Southwest Airlines|
equity:FDX|FedEx|
equity:UPS|UPS|
equity:EBAY|eBay|
equity:INTU|Intuit|TurboTax
|OpenAI|ChatGPT,GPT-4,GPT-4o,GPT-5
|Anthropic|
|Mistral AI|
|Hugging Face|
|SpaceX|Starlink,Starship,Falcon 9
|NASA|
|Twitter|
|TikTok,ByteDance|
|Tencent|WeChat
|Huawei|
|Xiaomi|
|Tumblr|
|Telegram Messenger|
|LinkedIn|
|GitHub|
|GitLab|
|Mozilla|Firefox,Thunderbird
|Wikipedia,Wikimedia|
|Binance|
|Kraken Exchange|
|FTX|
|Blockstream|
|Stripe Inc|
|IKEA|
|Lego|
|Gucci|
|Louis Vuitton|
|Adidas|
|Reuters,Thomson Reuters|
|Bloomberg News,Bloomberg LP|
|BBC,BBC News|
|CNN|
|CNBC|
|New York Times,NYT|
|Washington Post|
|Wall Street Journal,WSJ|
|Financial Times|
|Federal Reserve|
|European Central Bank,ECB|
|Bank of England|
|International Monetary Fund,IMF|
|World Bank|
|World Health Organization,WHO Europe|
|United Nations|
|European Union|
|European Commission|
|NATO|
|OPEC|
|FBI|
|CIA|
|Pentagon|
|White House|
|Supreme Court|
|Securities and Exchange Commission|
|FDA|
|NHS|
|UNICEF|
|Red Cross|
|Greenpeace|
|FIFA|
|UEFA|
|NBA|
|NFL|
|Linux Foundation|
|Apache Software Foundation|
|Python Software Foundation|
|Red Hat|
|Docker Inc|
"""


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation.

    Attributes:
        names: as people write them; the first is what its entity is called.
        unsure: those that are also words or names of persons.
        asset: key of its listed asset, `equity:AAPL`; empty for none.
        products: what it makes; each is an entity of its own.
    """

    names: tuple[str, ...]
    unsure: frozenset[str]
    asset: str
    products: tuple[str, ...]


def _organisation(line: str) -> Organisation:
    asset, written, products = (f"{line}|" if line.count("|") == 1 else line).split("|")
    every = written.split(",")
    return Organisation(
        tuple(name.removeprefix("?") for name in every),
        frozenset(name[1:] for name in every if name.startswith("?")),
        asset,
        tuple(products.split(",")) if products else (),
    )


ORGANISATIONS: tuple[Organisation, ...] = tuple(_organisation(line) for line in _ORGANISATIONS.strip().splitlines())
