"""Countries (ISO 3166-1), their parts that people name, and how people call both. Our own list."""

from dataclasses import dataclass

# Code | names, the usual one first; `?` before a name that is also a word or a person's | adjectives and inhabitants
_COUNTRIES = """
AD|Andorra|Andorran
AE|United Arab Emirates,UAE,U.A.E.,Emirates|Emirati
AF|Afghanistan|Afghan,Afghans
AG|Antigua and Barbuda,Antigua|Antiguan
AI|Anguilla|Anguillan
AL|Albania|Albanian,Albanians
AM|Armenia|Armenian,Armenians
AO|Angola|Angolan,Angolans
AQ|Antarctica|Antarctic
AR|Argentina|Argentine,Argentinian,Argentines
AS|American Samoa|
AT|Austria,Österreich|Austrian,Austrians
AU|Australia|Australian,Australians,Aussie
AW|Aruba|Aruban
AX|Åland,Åland Islands|
AZ|Azerbaijan|Azerbaijani,Azeri
BA|Bosnia and Herzegovina,Bosnia|Bosnian,Bosnians
BB|Barbados|Barbadian,Bajan
BD|Bangladesh|Bangladeshi,Bangladeshis
BE|Belgium,België,Belgique|Belgian,Belgians
BF|Burkina Faso|Burkinabe
BG|Bulgaria|Bulgarian,Bulgarians
BH|Bahrain|Bahraini
BI|Burundi|Burundian
BJ|Benin|Beninese
BL|Saint Barthélemy,St. Barts|
BM|Bermuda|Bermudian
BN|Brunei|Bruneian
BO|Bolivia|Bolivian,Bolivians
BQ|Bonaire,Caribbean Netherlands|
BR|Brazil,Brasil|Brazilian,Brazilians
BS|Bahamas,The Bahamas|Bahamian
BT|Bhutan|Bhutanese
BV|Bouvet Island|
BW|Botswana|Batswana
BY|Belarus|Belarusian,Belarusians
BZ|Belize|Belizean
CA|Canada|Canadian,Canadians
CC|Cocos Islands|
CD|Democratic Republic of the Congo,Democratic Republic of Congo,DR Congo,DRC|Congolese
CF|Central African Republic|Central African
CG|Republic of the Congo,Congo-Brazzaville|
CH|Switzerland,Schweiz,Suisse|Swiss
CI|Ivory Coast,Côte d'Ivoire|Ivorian
CK|Cook Islands|
CL|Chile|Chilean,Chileans
CM|Cameroon|Cameroonian
CN|China,People's Republic of China,PRC|Chinese
CO|Colombia|Colombian,Colombians
CR|Costa Rica|Costa Rican
CU|Cuba|Cuban,Cubans
CV|Cape Verde,Cabo Verde|Cape Verdean
CW|Curaçao|
CX|Christmas Island|
CY|Cyprus|Cypriot,Cypriots
CZ|Czech Republic,Czechia|Czech,Czechs
DE|Germany,Deutschland|German,Germans
DJ|Djibouti|Djiboutian
DK|Denmark,Danmark|Danish,Danes
DM|Dominica|
DO|Dominican Republic|Dominican
DZ|Algeria|Algerian,Algerians
EC|Ecuador|Ecuadorian,Ecuadorean
EE|Estonia|Estonian,Estonians
EG|Egypt|Egyptian,Egyptians
EH|Western Sahara|Sahrawi
ER|Eritrea|Eritrean
ES|Spain,España|Spanish,Spaniards
ET|Ethiopia|Ethiopian,Ethiopians
FI|Finland|Finnish,Finns
FJ|Fiji|Fijian
FK|Falkland Islands,Falklands|
FM|Micronesia|Micronesian
FO|Faroe Islands|Faroese
FR|France|French
GA|Gabon|Gabonese
GB|United Kingdom,UK,U.K.,Great Britain,Britain|British,Brits,Britons,English
GD|Grenada|Grenadian
GE|?Georgia|Georgian,Georgians
GF|French Guiana|
GG|?Guernsey|
GH|Ghana|Ghanaian,Ghanaians
GI|Gibraltar|Gibraltarian
GL|Greenland|Greenlandic
GM|Gambia,The Gambia|Gambian
GN|?Guinea|Guinean
GP|Guadeloupe|
GQ|Equatorial Guinea|
GR|Greece|Greek,Greeks
GS|South Georgia|
GT|Guatemala|Guatemalan,Guatemalans
GU|Guam|
GW|Guinea-Bissau|
GY|Guyana|Guyanese
HK|Hong Kong|Hongkonger,Hongkongers
HM|Heard Island|
HN|Honduras|Honduran,Hondurans
HR|Croatia|Croatian,Croatians
HT|Haiti|Haitian,Haitians
HU|Hungary|Hungarian,Hungarians
ID|Indonesia|Indonesian,Indonesians
IE|Ireland,Republic of Ireland|Irish
IL|Israel|Israeli,Israelis
IM|Isle of Man|Manx
IN|India|Indian,Indians
IO|British Indian Ocean Territory,Chagos Islands|
IQ|Iraq|Iraqi,Iraqis
IR|Iran|Iranian,Iranians
IS|Iceland|Icelandic
IT|Italy,Italia|Italian,Italians
JE|?Jersey|
JM|Jamaica|Jamaican,Jamaicans
JO|?Jordan|Jordanian,Jordanians
JP|Japan|Japanese
KE|Kenya|Kenyan,Kenyans
KG|Kyrgyzstan|Kyrgyz
KH|Cambodia|Cambodian,Cambodians
KI|Kiribati|
KM|Comoros|Comorian
KN|Saint Kitts and Nevis,St. Kitts|
KP|North Korea,DPRK|North Korean,North Koreans
KR|South Korea,Korea|Korean,South Korean,Koreans
KW|Kuwait|Kuwaiti
KY|Cayman Islands|Caymanian
KZ|Kazakhstan|Kazakh,Kazakhs
LA|Laos|Lao,Laotian
LB|Lebanon|Lebanese
LC|Saint Lucia,St. Lucia|
LI|Liechtenstein|
LK|Sri Lanka|Sri Lankan,Sri Lankans
LR|Liberia|Liberian,Liberians
LS|Lesotho|Basotho
LT|Lithuania|Lithuanian,Lithuanians
LU|Luxembourg|Luxembourgish
LV|Latvia|Latvian,Latvians
LY|Libya|Libyan,Libyans
MA|Morocco|Moroccan,Moroccans
MC|Monaco|Monegasque
MD|Moldova|Moldovan,Moldovans
ME|Montenegro|Montenegrin
MF|Saint Martin,St. Martin|
MG|Madagascar|Malagasy
MH|Marshall Islands|Marshallese
MK|North Macedonia,Macedonia|Macedonian,Macedonians
ML|Mali|Malian
MM|Myanmar,Burma|Burmese
MN|Mongolia|Mongolian,Mongolians
MO|Macau,Macao|Macanese
MP|Northern Mariana Islands|
MQ|Martinique|
MR|Mauritania|Mauritanian
MS|Montserrat|
MT|Malta|Maltese
MU|Mauritius|Mauritian
MV|Maldives|Maldivian
MW|Malawi|Malawian
MX|Mexico,México|Mexican,Mexicans
MY|Malaysia|Malaysian,Malaysians
MZ|Mozambique|Mozambican
NA|Namibia|Namibian
NC|New Caledonia|
NE|?Niger|Nigerien
NF|Norfolk Island|
NG|Nigeria|Nigerian,Nigerians
NI|Nicaragua|Nicaraguan,Nicaraguans
NL|Netherlands,The Netherlands,Holland,Nederland|Dutch
NO|Norway,Norge|Norwegian,Norwegians
NP|Nepal|Nepali,Nepalese
NR|Nauru|Nauruan
NU|Niue|
NZ|New Zealand|New Zealander,New Zealanders,Kiwi
OM|Oman|Omani
PA|Panama|Panamanian
PE|Peru|Peruvian,Peruvians
PF|French Polynesia,Tahiti|
PG|Papua New Guinea|Papuan
PH|Philippines,The Philippines|Filipino,Filipinos,Philippine
PK|Pakistan|Pakistani,Pakistanis
PL|Poland,Polska|Polish,Poles
PM|Saint Pierre and Miquelon|
PN|Pitcairn Islands|
PR|Puerto Rico|Puerto Rican
PS|Palestine,Gaza,West Bank,Gaza Strip|Palestinian,Palestinians
PT|Portugal|Portuguese
PW|Palau|Palauan
PY|Paraguay|Paraguayan
QA|Qatar|Qatari
RE|?Réunion|
RO|Romania|Romanian,Romanians
RS|Serbia|Serbian,Serbs
RU|Russia,Russian Federation,Россия|Russian,Russians
RW|Rwanda|Rwandan
SA|Saudi Arabia|Saudi,Saudis
SB|Solomon Islands|
SC|Seychelles|
SD|Sudan|Sudanese
SE|Sweden,Sverige|Swedish,Swedes
SG|Singapore|Singaporean,Singaporeans
SH|Saint Helena,St. Helena|
SI|Slovenia|Slovenian,Slovene
SJ|Svalbard|
SK|Slovakia|Slovak,Slovaks
SL|Sierra Leone|
SM|San Marino|
SN|Senegal|Senegalese
SO|Somalia|Somali,Somalis
SR|Suriname|Surinamese
SS|South Sudan|South Sudanese
ST|São Tomé and Príncipe|
SV|El Salvador|Salvadoran,Salvadorans
SX|Sint Maarten|
SY|Syria|Syrian,Syrians
SZ|Eswatini,Swaziland|Swazi
TC|Turks and Caicos|
TD|?Chad|Chadian
TF|French Southern Territories|
TG|Togo|Togolese
TH|Thailand|Thai,Thais
TJ|Tajikistan|Tajik
TK|Tokelau|
TL|Timor-Leste,East Timor|Timorese
TM|Turkmenistan|Turkmen
TN|Tunisia|Tunisian,Tunisians
TO|Tonga|Tongan
TR|?Turkey,Türkiye|Turkish,Turks
TT|Trinidad and Tobago,Trinidad|Trinidadian
TV|Tuvalu|
TW|Taiwan|Taiwanese
TZ|Tanzania|Tanzanian
UA|Ukraine,Україна|Ukrainian,Ukrainians
UG|Uganda|Ugandan,Ugandans
UM|U.S. Minor Outlying Islands|
US|United States,United States of America,USA,U.S.A.,U.S.,?US,America|American,Americans
UY|Uruguay|Uruguayan
UZ|Uzbekistan|Uzbek
VA|Vatican City,Vatican,Holy See|
VC|Saint Vincent and the Grenadines|
VE|Venezuela|Venezuelan,Venezuelans
VG|British Virgin Islands|
VI|US Virgin Islands,U.S. Virgin Islands|
VN|Vietnam,Viet Nam|Vietnamese
VU|Vanuatu|
WF|Wallis and Futuna|
WS|Samoa|Samoan
YE|Yemen|Yemeni,Yemenis
YT|Mayotte|
ZA|South Africa|South African,South Africans
ZM|Zambia|Zambian
ZW|Zimbabwe|Zimbabwean,Zimbabweans
"""

# Country | part:abbreviation; `?` as above. Abbreviations count only behind a city and a comma.
_REGIONS = """
US|Alabama:AL,Alaska:AK,Arizona:AZ,Arkansas:AR,California:CA,Colorado:CO,Connecticut:CT,Delaware:DE,Florida:FL
US|?Georgia:GA,Hawaii:HI,Idaho:ID,Illinois:IL,Indiana:IN,Iowa:IA,Kansas:KS,Kentucky:KY,Louisiana:LA,Maine:ME
US|Maryland:MD,Massachusetts:MA,Michigan:MI,Minnesota:MN,Mississippi:MS,Missouri:MO,Montana:MT,Nebraska:NE,Nevada:NV
US|New Hampshire:NH,New Jersey:NJ,New Mexico:NM,New York State:NY,North Carolina:NC,North Dakota:ND,Ohio:OH
US|Oklahoma:OK,Oregon:OR,Pennsylvania:PA,Rhode Island:RI,South Carolina:SC,South Dakota:SD,Tennessee:TN,Texas:TX
US|Utah:UT,Vermont:VT,?Virginia:VA,Washington State:WA,West Virginia:WV,Wisconsin:WI,Wyoming:WY,D.C.:DC
CA|Alberta:AB,British Columbia:BC,Manitoba:MB,New Brunswick:NB,Newfoundland:NL,Nova Scotia:NS,Ontario:ON
CA|Prince Edward Island:PE,Quebec:QC,Québec:QC,Saskatchewan:SK,Yukon:YT,Nunavut:NU
GB|England:ENG,Scotland:SCT,?Wales:WLS,Northern Ireland:NIR
AU|New South Wales:NSW,Queensland:QLD,Tasmania:TAS,South Australia:SA,Western Australia:WA,Northern Territory:NT
DE|Bavaria:BY,Bayern:BY,Saxony:SN,Hesse:HE,Lower Saxony:NI
ES|Catalonia:CT,Andalusia:AN
IT|Tuscany:TO,Sicily:SI,Sardinia:SA,Lombardy:LO
FR|Brittany:BR,Normandy:NO,Provence:PR
IN|Kerala:KL,Tamil Nadu:TN,Maharashtra:MH,Karnataka:KA,Punjab:PB,Uttar Pradesh:UP,Gujarat:GJ
BR|Bahia:BA,Minas Gerais:MG
CN|Sichuan:SC,Hubei:HB,Guangdong:GD,Xinjiang:XJ,Tibet:XZ,Henan:HA
"""


@dataclass(frozen=True, slots=True)
class Land:
    """A country or a part of one.

    Attributes:
        country: ISO 3166-1 code.
        names: as people write them.
        unsure: those that are also words or names of persons.
        adjectives: adjectives and names of inhabitants; they tell which country a text is about, and are no places.
        region: abbreviation of the part; empty for the country.
    """

    country: str
    names: tuple[str, ...]
    unsure: frozenset[str]
    adjectives: tuple[str, ...] = ()
    region: str = ""


def _country(line: str) -> Land:
    code, names, adjectives = line.split("|")
    every = names.split(",")
    plain = tuple(name.removeprefix("?") for name in every)
    unsure = frozenset(name[1:] for name in every if name.startswith("?"))
    return Land(code, plain, unsure, tuple(adjectives.split(",")) if adjectives else ())


def _regions(line: str) -> list[Land]:
    code, parts = line.split("|")
    found = []
    for part in parts.split(","):
        name, _, region = part.removeprefix("?").partition(":")
        found.append(Land(code, (name,), frozenset({name} if part.startswith("?") else ()), region=region))
    return found


COUNTRIES: tuple[Land, ...] = tuple(_country(line) for line in _COUNTRIES.strip().splitlines())
REGIONS: tuple[Land, ...] = tuple(land for line in _REGIONS.strip().splitlines() for land in _regions(line))
