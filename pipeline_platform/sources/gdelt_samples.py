"""Field tables and samples of the streams of GDELT. The samples are written by us."""

from pipeline_platform.sources.base import Sample

ARTICLE_FIELDS = {
    "document_id": "url",
    "kind": "(always article)",
    "channel": "domain",
    "title": "title",
    "url": "url",
    "image_url": "socialimage",
    "created_at": "seendate (when GDELT saw it)",
    "language_declared": "language",
}
EVENT_FIELDS = {
    "news_event_id": "GLOBALEVENTID",
    "event_code": "EventCode",
    "root_code": "EventRootCode",
    "quad_class": "QuadClass",
    "actor1": "Actor1Name",
    "actor1_country": "Actor1CountryCode",
    "actor2": "Actor2Name",
    "actor2_country": "Actor2CountryCode",
    "goldstein": "GoldsteinScale",
    "tone": "AvgTone",
    "mentions": "NumMentions",
    "sources": "NumSources",
    "articles": "NumArticles",
    "place": "ActionGeo_FullName",
    "country_code": "ActionGeo_CountryCode",
    "lat": "ActionGeo_Lat",
    "lon": "ActionGeo_Long",
    "happened_on": "SQLDATE",
    "url": "SOURCEURL",
    "added_at": "DATEADDED",
}
MENTION_FIELDS = {
    "mention_id": "GLOBALEVENTID | MentionTimeDate | MentionIdentifier | SentenceID | Actor1CharOffset | "
    "Actor2CharOffset | ActionCharOffset | InRawText",
    "news_event_id": "GLOBALEVENTID",
    "mention_type": "MentionType",
    "publisher": "MentionSourceName",
    "url": "MentionIdentifier",
    "sentence": "SentenceID",
    "confidence_pct": "Confidence",
    "tone": "MentionDocTone",
    "event_added_at": "EventTimeDate",
    "mentioned_at": "MentionTimeDate",
}
ANNOTATION_FIELDS = {
    "annotation_id": "GKGRECORDID",
    "url": "V2DOCUMENTIDENTIFIER | V2SOURCECOLLECTIONIDENTIFIER",
    "publisher": "V2SOURCECOMMONNAME",
    "title": "V2EXTRASXML",
    "language": "V2.1TRANSLATIONINFO",
    "tone": "V1.5TONE",
    "positive_pct": "V1.5TONE",
    "negative_pct": "V1.5TONE",
    "words": "V1.5TONE",
    "themes": "V1THEMES",
    "persons": "V1PERSONS",
    "organisations": "V1ORGANIZATIONS",
    "places": "V1LOCATIONS",
    "image_url": "V2.1SHARINGIMAGE",
    "annotated_at": "V2.1DATE",
}

ARTICLES = Sample(
    '"central bank" domainis:meridian.example',
    [
        {
            "url": "https://meridian.example/economy/rates-held",
            "url_mobile": "",
            "title": "Central bank holds rates : what it means for you ",
            "seendate": "20261122T101500Z",
            "socialimage": "https://meridian.example/images/rates.jpg",
            "domain": "meridian.example",
            "language": "English",
            "sourcecountry": "United Kingdom",
        }
    ],
)
EVENTS = Sample(
    "english",
    [
        {
            "GLOBALEVENTID": "1290000001",
            "SQLDATE": "20261122",
            "Actor1Code": "GBRGOV",
            "Actor1Name": "UNITED KINGDOM",
            "Actor1CountryCode": "GBR",
            "Actor2Code": "NOR",
            "Actor2Name": "NORWAY",
            "Actor2CountryCode": "NOR",
            "IsRootEvent": "1",
            "EventCode": "043",
            "EventBaseCode": "043",
            "EventRootCode": "04",
            "QuadClass": "1",
            "GoldsteinScale": "2.8",
            "NumMentions": "5",
            "NumSources": "1",
            "NumArticles": "5",
            "AvgTone": "1.25",
            "ActionGeo_Type": "4",
            "ActionGeo_FullName": "Bergen, Hordaland, Norway",
            "ActionGeo_CountryCode": "NO",
            "ActionGeo_Lat": "60.3833",
            "ActionGeo_Long": "5.33333",
            "DATEADDED": "20261122101500",
            "SOURCEURL": "https://meridian.example/world/harbour-talks",
        }
    ],
)
MENTIONS = Sample(
    "english",
    [
        {
            "GLOBALEVENTID": "1290000001",
            "EventTimeDate": "20261122101500",
            "MentionTimeDate": "20261122103000",
            "MentionType": "1",
            "MentionSourceName": "ledger.example",
            "MentionIdentifier": "https://ledger.example/harbour-talks-go-on",
            "SentenceID": "3",
            "Actor1CharOffset": "411",
            "Actor2CharOffset": "436",
            "ActionCharOffset": "420",
            "InRawText": "1",
            "Confidence": "80",
            "MentionDocLen": "2140",
            "MentionDocTone": "-0.75",
        }
    ],
)
ANNOTATIONS = Sample(
    "translingual",
    [
        {
            "GKGRECORDID": "20261122101500-T7",
            "V2.1DATE": "20261122101500",
            "V2SOURCECOLLECTIONIDENTIFIER": "1",
            "V2SOURCECOMMONNAME": "tageblatt.example",
            "V2DOCUMENTIDENTIFIER": "https://tageblatt.example/hafen/gespraeche",
            "V1THEMES": "ECON_TRADE;MARITIME;",
            "V1LOCATIONS": "4#Bergen, Hordaland, Norway#NO#NO07#60.3833#5.33333#-3083;",
            "V1PERSONS": "ada quay;jon fjord",
            "V1ORGANIZATIONS": "harbour office",
            "V1.5TONE": "1.5,3.5,2,5.5,18.25,0.5,400",
            "V2.1SHARINGIMAGE": "https://tageblatt.example/bilder/hafen.jpg",
            "V2.1TRANSLATIONINFO": "srclc:deu;eng:GT-DEU 1.0",
            "V2EXTRASXML": "<PAGE_TITLE>Gespr&#xE4;che im Hafen</PAGE_TITLE>",
        }
    ],
)
