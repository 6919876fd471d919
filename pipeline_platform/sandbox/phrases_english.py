"""English sentences of the synthetic posts, all our own: a grammar of symbols and their expansions.

`{name}` stands for an expansion of the symbol `name`, chosen anew each time; a sentence starts at `<topic>.<tone>`, a
title at `<topic>.title`. Long lists on purpose: two texts by chance must not be near copies of each other.
"""

# Word lists, many to a line.
# fmt: off

SHARED: dict[str, tuple[str, ...]] = {
    "person": (
        "Amara Lindqvist", "Tomasz Weller", "Ines Carvalho", "Jun Okabe", "Priya Raman", "Oskar Nyström",
        "Leila Haddad", "Marek Dvorak", "Sofia Brandt", "Kwame Mensah", "Hana Sato", "Diego Ferrer", "Nadia Petrova",
        "Elliot Marsh", "Yara Costa", "Finn Gallagher", "Mei Tanaka", "Rasmus Holm", "Chiara Ricci", "Farid Azizi",
        "Greta Vogel", "Samir Khoury", "Anouk Lemaire", "Bram de Wit", "Zofia Kowal", "Idris Bello", "Lucía Prieto",
        "Noah Whitfield",
    ),
    "month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "when": (
        "this morning", "since lunch", "over the last hour", "overnight", "before the weekend", "late on {weekday}",
        "around {hour} UTC", "within {small} minutes", "for the {ordinal} day running", "since {month}", "this week",
        "after {hour} UTC", "between {weekday} and {weekday}", "in under {small} hours", "early on {weekday}",
    ),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "ordinal": ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    "city": (
        "Berlin", "London", "New York", "Tokyo", "São Paulo", "Nairobi", "Reykjavík", "Sydney", "Lisbon", "Toronto",
        "Mumbai", "Oslo", "Cairo", "Lima", "Seoul", "Warsaw", "Dublin", "Manila", "Accra", "Prague", "Zurich", "Athens",
    ),
    "company": (
        "Halden Freight", "Norvik Energy", "Cobalt Loop", "Brightwater Foods", "Astra Textiles", "Pinecrest Robotics",
        "Lumen Rail", "Orchid Pharma", "Tideway Shipping", "Granite Mutual", "Solano Airlines", "Verdant Farms",
        "Kestrel Chips", "Marlow Hotels", "Juniper Bank", "Redoak Steel", "Skylark Telecom", "Fennel & Co",
    ),
    "who_says": (
        "says {person}", "according to {person} of {company}", "as {person} put it", "so {company} in {city}",
        "going by a note from {company}", "if {person} has counted right", "reports {person} from {city}",
    ),
}

COINS: dict[str, tuple[str, ...]] = {
    "coin": ("Bitcoin", "Ethereum", "Solana", "XRP", "Cardano", "Dogecoin"),
    "venue": (
        "the spot desk in {city}", "three exchanges at once", "the order book of {company}", "the futures side",
        "the {small}-minute chart", "a wallet opened in {month}", "the staking pool run by {person}", "my own ledger",
    ),
    "coins.positive": (
        "{coin} gained {pct} {when}, and {venue} shows strong, happy buying",
        "what a great move: {coin} went from {price} to {price} {when}",
        "{person} made a brilliant call on {coin} and earned {money} on {venue}",
        "the {coin} upgrade in {city} was a success, fees fell by {pct} {when}",
        "I love how smooth {coin} feels {when}, {small} payments through {venue} and all of them perfect",
        "{company} now accepts {coin} with excellent support, {who_says}",
        "best week for {coin} since {month}, up {pct} with healthy volume on {venue}",
    ),
    "coins.negative": (
        "{coin} lost {pct} {when}, and {venue} is full of panic and angry sellers",
        "a terrible slide: {coin} dropped from {price} to {price} {when}",
        "{person} was scammed out of {money} in {coin} through {venue}, an awful story",
        "the {coin} outage in {city} is a disaster, {small} nodes failed {when}",
        "I hate the fees on {coin} {when}, {money} wasted for {small} broken transfers on {venue}",
        "{company} stopped paying out {coin}, a horrible failure, {who_says}",
        "worst week for {coin} since {month}, down {pct} with ugly losses on {venue}",
    ),
    "coins.neutral": (
        "{coin} trades at {price} {when}, seen from {venue}", "{company} moved {number} {coin} to {venue} {when}",
        "the next {coin} meeting takes place in {city}, {who_says}",
        "{person} counts {number} {coin} addresses on {venue} {when}", "volume of {coin} on {venue} was {money} {when}",
        "one {coin} round took {small} minutes {when}, measured from {city}",
        "{coin} opened at {price} and stands at {price} {when}, {who_says}",
    ),
    "coins.title": (
        "{coin} at {price} {when}", "{coin} and {venue}: {number} orders",
        "What {person} wrote about {coin} in {month}", "{coin} {when}: notes from {city}",
        "{company} and its {money} in {coin}", "{coin} thread no. {number}",
    ),
}

MARKETS: dict[str, tuple[str, ...]] = {
    "sector": (
        "rail", "chip", "shipping", "bakery", "insurance", "solar", "steel", "timber", "airline", "hotel", "retail",
        "fertiliser", "battery", "software", "copper", "textile", "pharma", "telecom",
    ),
    "markets.positive": (
        "{company} beat every forecast, profit rose {pct} and investors in {city} are delighted",
        "impressive quarter for the {sector} sector, {company} and {company} up {pct} {when}",
        "{person} sounds confident: {money} of new orders for {company} {when}",
        "a wonderful relief for {sector} stocks, shares in {city} won {pct} {when}",
        "{company} raises its dividend to {price}, a generous reward, {who_says}",
        "strong hiring at {company}, {number} good jobs in {city} and a record {month}",
    ),
    "markets.negative": (
        "{company} missed every forecast, profit sank {pct} and investors in {city} are furious",
        "dreadful quarter for the {sector} sector, {company} and {company} down {pct} {when}",
        "{person} warns of a crisis: {money} of orders lost at {company} {when}",
        "a painful blow to {sector} stocks, shares in {city} lost {pct} {when}",
        "{company} cuts its dividend to {price}, a bitter disappointment, {who_says}",
        "fear at {company}, {number} jobs gone in {city} after a disastrous {month}",
    ),
    "markets.neutral": (
        "{company} publishes its figures for {month} on {weekday}, {who_says}",
        "the {sector} index in {city} stood at {number} points {when}",
        "{company} moves its seat from {city} to {city}, {number} employees are part of it",
        "{person} takes over the {sector} desk of {company} in {month}",
        "{number} papers of {company} changed hands at {price} {when}",
        "the {sector} contract for {month} settled at {price} in {city}",
    ),
    "markets.title": (
        "{company}: figures for {month}", "{sector} stocks in {city} {when}",
        "{person} on {company} and {sector} prices", "{number} papers of {company}",
        "{city} closes, {sector} at {number} points", "{company} and the {sector} quarter",
    ),
}

WEATHER: dict[str, tuple[str, ...]] = {
    "spot": (
        "over {city}", "on the ring road of {city}", "at the harbour of {city}", "near the station in {city}",
        "above the hills west of {city}", "in the old quarter of {city}", "along the river in {city}",
        "at {city} airport",
    ),
    "sky": (
        "thin clouds", "fog", "an open sky", "drizzle", "sleet", "scattered clouds", "light rain", "a dry wind", "haze",
    ),
    "weather.positive": (
        "beautiful sunshine {spot} {when}, {degrees} and a lovely breeze",
        "what a gorgeous evening {spot}, {degrees}, {sky} and happy people everywhere {when}",
        "the rain saved the harvest {spot}, {mm} {when} and farmers are grateful, {who_says}",
        "perfect {weekday} {spot}: {degrees}, {sky}, {small} of us enjoyed a great walk",
        "{person} calls it the nicest {month} {spot} in {small} years, {degrees} and calm",
    ),
    "weather.negative": (
        "severe storm {spot} {when}, {mm} of rain and terrible damage",
        "dangerous ice {spot}, {degrees} and {small} bad accidents {when}",
        "the flood destroyed {number} homes {spot}, {mm} {when}, a tragedy, {who_says}",
        "miserable {weekday} {spot}: {degrees}, {sky}, {small} trains cancelled and angry people",
        "{person} fears the worst drought {spot} in {small} years, {degrees} and crops dying",
    ),
    "weather.neutral": (
        "{degrees} and {sky} {spot} {when}", "the station {spot} measured {mm} and {degrees} {when}, {who_says}",
        "wind from the {direction} {spot} at {small} metres per second, {sky} {when}",
        "{sky} {spot} until {hour} UTC, then {sky} and {degrees}",
        "{person} reads {number} hectopascals {spot} {when}, with {sky}",
    ),
    "direction": ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"),
    "weather.title": (
        "{city}: {degrees}, {sky} {when}", "{sky} {spot}, report no. {number}", "{weekday} {spot}: {mm}",
        "{person} on the {month} {spot}", "{degrees} {spot} {when}", "From {city} to {city}: {sky}",
    ),
}

PROGRAMMING: dict[str, tuple[str, ...]] = {
    "tool": (
        "tidepool", "inkwell", "lanternd", "waymark", "quarrykit", "pebble-db", "loomctl", "sprocket", "mothlight",
        "riverbed", "flintlock", "barkparse", "copperwire", "nightshift", "oatmill", "glasshouse", "papermoth",
        "tinbox",
    ),
    "part": (
        "parser", "scheduler", "connection pool", "cache layer", "import path", "retry loop", "config loader",
        "type checker", "migration step", "thumbnail worker", "date picker", "login form", "search index",
        "export button", "test runner", "queue consumer", "metrics endpoint", "plugin loader", "garbage collector",
        "command line",
    ),
    "tongue": (
        "Python", "Rust", "Go", "TypeScript", "C++", "Java", "Elixir", "Kotlin", "Zig", "Ruby", "Haskell", "Swift",
    ),
    "release": (
        "v{small}.{small}.{small}", "build {number}", "commit {hexes}", "branch {tool}-{small}", "nightly {number}",
    ),
    "programming.positive": (
        "the new {part} of {tool} is amazing, {pct} faster on {release} than {release}",
        "thanks to {person} the {part} works perfectly in {tongue}, great fix in {release}",
        "I love {tool}: the {part} is elegant, {small} lines of {tongue} and excellent docs",
        "{release} of {tool} solved our {part} trouble {when}, happy users at {company}",
        "brilliant talk by {person} in {city} about the {part} of {tool} and clean {tongue}",
    ),
    "programming.negative": (
        "the {part} of {tool} crashes on {release}, {number} errors {when}, very annoying",
        "horrible regression: {tool} {release} breaks the {part} for every {tongue} user at {company}",
        "I hate debugging the {part} of {tool}, {small} hours wasted on {release} {when}",
        "data loss in {tool}, the {part} corrupts {number} rows on {release}, a serious bug",
        "{person} is frustrated: the {part} in {tongue} fails {when} and {release} made it worse",
    ),
    "programming.neutral": (
        "the {part} of {tool} moves to {tongue} in {release}, {who_says}",
        "steps: install {release} of {tool}, start the {part} with {number} rows, wait {small} minutes",
        "{person} renamed the {part} of {tool} to {tool} in {release}",
        "does the {part} of {tool} read {number} rows from {tongue}, or only from {release}",
        "{company} runs {small} copies of the {tool} {part} in {city} on {release}",
    ),
    "programming.title": (
        "{part} of {tool} on {release}", "{tool}: {part} and {number} rows", "{tongue} {part} in {release} of {tool}",
        "{tool} {release}: notes on the {part}", "How {company} runs the {part} of {tool}",
        "{part}, {tongue} and {tool}",
    ),
}

NEWS: dict[str, tuple[str, ...]] = {
    "body": (
        "the city council", "the school board", "the port authority", "the teachers' union", "the water board",
        "the national museum", "the street office", "the ferry operator", "the hospital office", "the planning office",
        "the farmers' league", "the electoral office", "the transit agency", "the housing fund",
    ),
    "matter": (
        "a tram line", "the old bridge", "school lunches", "a night market", "the harbour wall", "a new library",
        "the cycle network", "rent tables", "a heat plan", "the market permit", "the waste contract", "a sports hall",
        "the river ferry", "a wind park", "the archive", "a swimming pool",
    ),
    "news.positive": (
        "{body} of {city} celebrates {matter}, a great success that won {pct} support {when}",
        "good news from {city}: {matter} opens {when}, {number} families benefit, {who_says}",
        "{person} of {city} receives a prize for {matter}, a proud and joyful moment {when}",
        "hope for {city}: {body} and {company} give {money} to {matter}",
    ),
    "news.negative": (
        "{body} of {city} is accused of fraud over {matter}, {money} missing {when}",
        "bad news from {city}: {matter} collapses {when}, {number} families suffer, {who_says}",
        "{person} of {city} was attacked in a violent quarrel over {matter} {when}",
        "anger in {city}: {body} and {company} killed {matter}, {money} wasted",
    ),
    "news.neutral": (
        "{body} of {city} discusses {matter} on {weekday}, {who_says}",
        "{matter} in {city} costs {money} and takes until {month}, writes {body}",
        "{person} speaks for {body} of {city} about {matter} {when}",
        "{number} people in {city} were asked about {matter} {when}, says {body}",
    ),
    "news.title": (
        "{city}: {body} and {matter}", "{matter} in {city}, {money} {when}", "{person} and {matter} of {city}",
        "{weekday} in {city}: {matter}", "{body} of {city}, case {number}", "What {company} has to do with {matter}",
    ),
}

REMARKS: dict[str, tuple[str, ...]] = {
    "opener": (
        "For those in {city}:", "Reading this from {city},", "To answer {person}:", "Small update {when}:",
        "As of {hour} UTC:", "My note of {weekday}:", "Not sure who saw it, but", "Seen {when}:",
        "Second source, {company}:", "From the {month} file:", "Point {small} of {small}:",
        "Quick one before {hour} UTC:", "{person} asked, so", "Following up on {month}:", "Same here in {city}:",
        "One more thing, {person}:", "Sent by a reader in {city}:", "Page {number}:", "Correction {when}:",
    ),
    "remark.positive": (
        "Really glad about it, {who_says}", "Best thing I saw {when}", "Great work, {person} and all of {city}",
        "That made my {weekday}, thank you {person}", "I am happy for everyone at {company}",
        "Fantastic, {small} out of {small}", "A win for {city}, and well deserved", "Enjoyed every bit of it {when}",
        "Love it, greetings to {person} in {city}",
    ),
    "remark.negative": (
        "Really sad about it, {who_says}", "Worst thing I saw {when}", "Shame on you, {person} and all of {company}",
        "That ruined my {weekday}, no thanks to {person}", "I am worried for everyone at {company}",
        "Pathetic, {small} out of {number}", "A loss for {city}, and it hurts", "Sick of it {when}",
        "Disgusting, and {person} in {city} stays silent",
    ),
    "remark.neutral": (
        "The list has {number} lines, {who_says}", "More on {weekday} at {hour} UTC",
        "I asked {person} and wait for a reply", "The same was noted in {city} in {month}",
        "See entry {number} of {company}", "It is item {small} on the agenda of {weekday}",
        "The file was last changed {when}", "{person} keeps a table of it, {number} rows",
        "Numbers are from {company}, {month}",
    ),
}

GRAMMAR = SHARED | COINS | MARKETS | WEATHER | PROGRAMMING | NEWS | REMARKS
