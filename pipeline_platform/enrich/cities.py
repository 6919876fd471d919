"""Cities that texts name, with the populations that tell which of two is meant. Our own list.

Those of the platform's registry of places keep its keys; the others get a key of the same form, `oslo-no`.
"""

from dataclasses import dataclass

from pipeline_platform.dedup.places import slug

# Country | name/other names, thousands of inhabitants, @ part of the country where names repeat; `?` before a name
# that is also a word or a person's.
_CITIES = """
AE|Dubai 3600;Abu Dhabi 1500;Sharjah 1800
AF|Kabul 4600;Kandahar 650
AL|Tirana 560
AM|Yerevan 1100
AO|Luanda 8900
AR|Buenos Aires 3100;Córdoba 1500;Rosario 1300;?Mendoza 1000
AT|Vienna/Wien 1900;Graz 290;Linz 210;Salzburg 155;Innsbruck 130
AU|?Sydney 5300@NSW;Melbourne 5100@VIC;Brisbane 2500@QLD;Perth 2100@WA;Adelaide 1400@SA;Canberra 460;?Darwin 140@NT
AU|Hobart 240@TAS;Newcastle 320@NSW;Gold Coast 700@QLD
AZ|Baku 2300
BA|Sarajevo 275
BD|Dhaka 10300;Chittagong/Chattogram 3000
BE|Brussels/Brussel/Bruxelles 1200;Antwerp/Antwerpen 530;Ghent/Gent 265;Bruges/Brugge 118;Liège 197
BG|Sofia 1240;Plovdiv 345;Varna 335
BO|La Paz 800;Santa Cruz de la Sierra 1600
BR|São Paulo 12300;Rio de Janeiro 6700;Brasília 3000;?Salvador 2900;Fortaleza 2700;Belo Horizonte 2500;Manaus 2200
BR|Curitiba 1900;Recife 1650;Porto Alegre 1490
BY|Minsk 2000
CA|Toronto 2900@ON;Montreal/Montréal 1800@QC;Vancouver 680@BC;Calgary 1300@AB;Edmonton 1000@AB;Ottawa 1000@ON
CA|Winnipeg 750@MB;Quebec City 550@QC;Halifax 440@NS;?Hamilton 570@ON;London 420@ON;?Victoria 92@BC;?Windsor 230@ON
CD|Kinshasa 17000;Goma 1000
CH|Zurich/Zürich 430;Geneva/Genève 200;Basel 175;Bern 135;Lausanne 140;Davos 11
CI|Abidjan 5600
CL|?Santiago 6200;Valparaíso 300
CM|Yaoundé 4000;Douala 3900
CN|Beijing/Peking 21500;Shanghai 24900;Guangzhou 18700;Shenzhen 17600;Chengdu 20900;Chongqing 32000;Tianjin 13900
CN|Wuhan 12300;Hangzhou 11900;Nanjing 9300;Xi'an 12900;Suzhou 12700;Harbin 10000;Qingdao 10000;Dalian 7500;Urumqi 4000
CO|Bogotá 7900;Medellín 2600;?Cali 2200;Cartagena 1000;Barranquilla 1300
CR|San José 350
CU|Havana 2100
CZ|Prague/Praha 1300;Brno 380;Ostrava 280
DE|Berlin 3700;Hamburg 1900;Munich/München 1500;?Cologne/Köln 1080;Frankfurt 760;Stuttgart 630;Düsseldorf 620
DE|Leipzig 600;Dortmund 590;?Essen 580;Bremen 570;Dresden 560;Hanover/Hannover 540;Nuremberg/Nürnberg 520;Bonn 330
DE|Heidelberg 160;Potsdam 180;Kiel 247;Mannheim 310;Karlsruhe 310;Freiburg 230
DK|Copenhagen/København 650;Aarhus 285
DO|Santo Domingo 1000
DZ|Algiers 3400;Oran 850
EC|Quito 1800;Guayaquil 2700
EE|Tallinn 440;Tartu 95
EG|Cairo 10000;Alexandria 5200;Giza 4200;Suez 750
ES|Madrid 3300;Barcelona 1640;Valencia 790;Seville/Sevilla 690;Zaragoza 670;Málaga 580;Bilbao 345;?Granada 232
ES|Palma de Mallorca 416;Alicante 337
ET|Addis Ababa 3900
FI|Helsinki 660;Tampere 240;Turku 195
FR|Paris 2100;Marseille 870;Lyon 520;Toulouse 500;?Nice 340;Nantes 320;Strasbourg 290;Bordeaux 260;Lille 235
FR|Montpellier 300;Rennes 220;Grenoble 158;Cannes 74;?Tours 137;Le Havre 165
GB|London 8900@ENG;Birmingham 1140@ENG;Manchester 550@ENG;Liverpool 500@ENG;Leeds 800@ENG;Sheffield 560@ENG
GB|Glasgow 635@SCT;Edinburgh 530@SCT;Cardiff 360@WLS;Belfast 345@NIR;Bristol 470@ENG;Newcastle 300@ENG
GB|Nottingham 325@ENG;Leicester 370@ENG;Cambridge 145@ENG;Oxford 160@ENG;?Reading 175@ENG;?Bath 94@ENG;?York 150@ENG
GB|Brighton 277@ENG;Southampton 250@ENG;Portsmouth 208@ENG;?Hull 267@ENG;Aberdeen 200@SCT;Plymouth 265@ENG
GE|Tbilisi 1200
GH|Accra 2500;Kumasi 3300
GR|Athens/Athina 3150;Thessaloniki 810
GT|Guatemala City 1000
HK|Hong Kong 7500
HN|Tegucigalpa 1100
HR|Zagreb 770;?Split 160;Dubrovnik 41
HT|Port-au-Prince 1200
HU|Budapest 1750;Debrecen 200
ID|Jakarta 10600;Surabaya 2900;Bandung 2500;Medan 2400;Denpasar 725
IE|Dublin 1200;?Cork 210;Galway 85;Limerick 95
IL|Tel Aviv 460;Jerusalem 950;Haifa 285
IN|Mumbai/Bombay 12500;Delhi/New Delhi 16800;Bangalore/Bengaluru 8400;Hyderabad 6900;Chennai/Madras 4600
IN|Kolkata/Calcutta 4500;Ahmedabad 5600;Pune 3100;Jaipur 3000;Lucknow 2800;Kanpur 2800;Nagpur 2400;Srinagar 1200
IQ|Baghdad 7700;Basra 1300;Mosul 1700;Erbil 1500
IR|Tehran 9000;Isfahan 2000;Mashhad 3000;Shiraz 1600
IS|Reykjavík 140
IT|Rome/Roma 2800;Milan/Milano 1370;Naples/Napoli 910;Turin/Torino 840;Palermo 630;Genoa/Genova 560;Bologna 390
IT|?Florence/Firenze 360;Venice/Venezia 250;Verona 255;Trieste 200
JM|Kingston 660
JO|Amman 4000
JP|Tokyo 14000;Osaka 2700;Yokohama 3750;Nagoya 2300;Sapporo 1950;Fukuoka 1600;Kyoto 1450;Kobe 1500;Hiroshima 1190
JP|Nagasaki 400;Sendai 1090;Fukushima 280
KE|Nairobi 4400;Mombasa 1200
KH|Phnom Penh 2100
KR|Seoul 9700;Busan 3400;Incheon 2900;Daegu 2400;Daejeon 1450;Gwangju 1440
KW|Kuwait City 3000
KZ|Almaty 2000;Astana 1300
LA|Vientiane 950
LB|Beirut 2400;Tripoli 230
LK|Colombo 750
LT|Vilnius 580;Kaunas 300
LV|Riga 610
LY|Tripoli 1200;Benghazi 800
MA|Casablanca 3700;Rabat 580;Marrakesh/Marrakech 930;Tangier 950
MD|Chișinău 640
MG|Antananarivo 1400
MK|Skopje 530
ML|Bamako 2700;Timbuktu 55
MM|Yangon/Rangoon 5200;Naypyidaw 925;Mandalay 1200
MN|Ulaanbaatar 1600
MX|Mexico City/Ciudad de México 9200;Guadalajara 1400;Monterrey 1140;Puebla 1700;Tijuana 1900;Cancún 890;Acapulco 780
MX|Ciudad Juárez 1500
MY|Kuala Lumpur 1800;Penang 790
MZ|Maputo 1100
NG|Lagos 15400;Abuja 3600;Kano 4100;Ibadan 3600;Port Harcourt 1900
NI|Managua 1050
NL|Amsterdam 870;Rotterdam 650;The Hague/Den Haag 550;Utrecht 360;Eindhoven 240;Groningen 235;Maastricht 120
NO|Oslo 700;Bergen 285;Trondheim 205;Stavanger 145;Tromsø 77
NP|Kathmandu 850
NZ|Auckland 1650;?Wellington 215;?Christchurch 380;?Hamilton 180
PA|Panama City 880
PE|Lima 9700;Cusco 430;Arequipa 1000
PH|Manila 1850;Quezon City 2960;Cebu 960;Davao 1780
PK|Karachi 14900;Lahore 11100;Islamabad 1000;Rawalpindi 2100;Peshawar 1970;Faisalabad 3200;Hyderabad 1700
PL|Warsaw/Warszawa 1860;Kraków/Krakow/Cracow 800;Wrocław 670;Gdańsk 490;Poznań 540;Łódź 660;Katowice 280
PR|San Juan 340
PS|Gaza City 590;Ramallah 39;Rafah 170;Khan Younis 205
PT|Lisbon/Lisboa 545;Porto 230;Faro 60
PY|Asunción 520
QA|Doha 1200
RO|Bucharest/București 1720;Cluj-Napoca/Cluj 290
RS|Belgrade/Beograd 1380;Novi Sad 300
RU|Moscow/Moskva/Москва 13000;Saint Petersburg/St. Petersburg/St Petersburg/Санкт-Петербург 5600;Novosibirsk 1630
RU|Kazan 1300;Vladivostok 600;Yekaterinburg 1540;Sochi 440;Kursk 440;Belgorod 340
RW|Kigali 1130
SA|Riyadh 7700;Jeddah 3750;Mecca 2400;Medina 1400
SD|Khartoum 6200
SE|Stockholm 980;Gothenburg/Göteborg 590;Malmö 350;Uppsala 235
SG|Singapore 5900
SI|Ljubljana 290
SK|Bratislava 475
SN|Dakar 3700
SO|Mogadishu 2600
SV|San Salvador 570
SY|Damascus 2500;Aleppo 2100;Homs 775;Idlib 165
TH|Bangkok/Krung Thep 10500;Chiang Mai 130;Phuket 80
TN|Tunis 640
TR|Istanbul/İstanbul 15500;Ankara 5700;İzmir/Izmir 2900;Antalya 1300;Gaziantep 2100
TW|Taipei 2600;Kaohsiung 2700
TZ|Dar es Salaam 5400;Dodoma 765
UA|Kyiv/Kiev/Київ 2960;Kharkiv/Kharkov 1430;Odesa/Odessa 1010;Dnipro 970;Lviv 720;Mariupol 430;Zaporizhzhia 720
UA|Kherson 280;Bakhmut 70;Donetsk 900
UG|Kampala 1680
US|New York/New York City/NYC 8800@NY;Los Angeles 3900@CA;Chicago 2700@IL;?Houston 2300@TX;?Phoenix 1600@AZ
US|Philadelphia/Philly 1600@PA;San Antonio 1430@TX;San Diego 1390@CA;?Dallas 1300@TX;San Jose 1010@CA;?Austin 960@TX
US|?Jacksonville 950@FL;Fort Worth 920@TX;?Columbus 900@OH;Indianapolis 890@IN;?Charlotte 870@NC;San Francisco 870@CA
US|Seattle 740@WA;Denver 715@CO;?Washington/Washington DC/Washington D.C./Washington, D.C. 690@DC;Nashville 690@TN
US|Oklahoma City 680@OK;El Paso 680@TX;Boston 675@MA;Portland 650@OR;Las Vegas/Vegas 640@NV;Detroit 640@MI
US|Memphis 630@TN;Louisville 630@KY;Baltimore 585@MD;Milwaukee 575@WI;Albuquerque 565@NM;Tucson 540@AZ;Fresno 540@CA
US|Sacramento 525@CA;Kansas City 508@MO;?Mobile 187@AL;Atlanta 500@GA;Miami 440@FL;Oakland 440@CA;Minneapolis 430@MN
US|Tulsa 410@OK
US|New Orleans 384@LA;?Cleveland 370@OH;Tampa 385@FL;Honolulu 350@HI;Pittsburgh 300@PA;Cincinnati 310@OH;?Orlando 310@FL
US|St. Louis/St Louis 300@MO;?Buffalo 278@NY;?Lincoln 290@NE;?Madison 270@WI;Salt Lake City 200@UT;?Richmond 226@VA
US|Birmingham 200@AL;Cambridge 118@MA;Portland 68@ME;Paris 25@TX;Athens 127@GA;Manchester 115@NH;Alexandria 160@VA
US|?Phoenix 8@OR;Vancouver 190@WA;Odessa 115@TX;Melbourne 84@FL;St. Petersburg 258@FL;Moscow 25@ID;?Jackson 153@MS
US|Anchorage 290@AK;Boise 235@ID;Omaha 486@NE;Newark 311@NJ;Naples 19@FL;Rome 37@GA;Dublin 49@OH;Oxford 25@MS
US|?Springfield 155@MO;?Aurora 386@CO;Las Cruces 111@NM;Baton Rouge 227@LA;Brooklyn 2700@NY
UY|Montevideo 1300
UZ|Tashkent 2900
VE|Caracas 2900;Maracaibo 1600
VN|Hanoi 8000;Ho Chi Minh City/Saigon 9000;Da Nang 1100
YE|Sanaa/Sana'a 3000;Aden 1000;Hodeidah 700
ZA|Johannesburg 5600;Cape Town/Kaapstad 4600;Durban 3700;Pretoria 740;Soweto 1300
ZM|Lusaka 2500
ZW|Harare 1500
"""


@dataclass(frozen=True, slots=True)
class City:
    """A city that texts name.

    Attributes:
        key: `oslo-no`; with the part of the country where two of a country share a name, `portland-me-us`.
        country: ISO 3166-1 code.
        names: as people write them, the usual one first.
        population: inhabitants.
        region: abbreviation of the part of the country, where that tells it from others.
        unsure: the usual name is also a word or a person's.
    """

    key: str
    country: str
    names: tuple[str, ...]
    population: int
    region: str = ""
    unsure: bool = False


def _cities() -> tuple[City, ...]:
    found: dict[str, City] = {}
    for line in _CITIES.strip().splitlines():
        country, cities = line.split("|")
        for entry in cities.split(";"):
            written, _, size = entry.rpartition(" ")
            thousands, _, region = size.partition("@")
            names = tuple(written.removeprefix("?").split("/"))
            key = f"{slug(names[0])}-{country.lower()}"
            if key in found:
                key = f"{slug(names[0])}-{region.lower()}-{country.lower()}"
            found[key] = City(key, country, names, int(thousands) * 1000, region, written.startswith("?"))
    return tuple(found.values())


CITIES: tuple[City, ...] = _cities()
