"""German, French, Spanish and Japanese sentences of the synthetic posts, all our own; the form is that of the English.

`subject` depends on the topic (`subject.<topic>`); sentences start at a tone (`positive`) and titles at `title`.
"""

# Word lists, many to a line.
# fmt: off

GERMAN: dict[str, tuple[str, ...]] = {
    "subject.coins": ("Bitcoin", "Ethereum", "Solana", "die Kryptobörse in {city}", "das Wallet von {person}"),
    "subject.markets": ("{company}", "der Aktienmarkt in {city}", "die Anleihe von {company}", "der Kupferpreis"),
    "subject.weather": (
        "das Wetter in {city}", "der Regen über {city}", "der Wind bei {city}", "der Schnee vor {city}",
    ),
    "subject.programming": (
        "die neue Version {release}", "der Parser von {tool}", "das Werkzeug {tool}", "der Test in {tongue}",
    ),
    "subject.news": (
        "der Stadtrat von {city}", "die Schule in {city}", "die Brücke bei {city}", "das Museum in {city}",
    ),
    "wann": (
        "heute Morgen", "seit {hour} Uhr", "in der Nacht", "vor {small} Stunden", "am Wochenende", "seit {small} Tagen",
        "gestern gegen {hour} Uhr", "kurz vor Mittag", "zum {small}. Mal in diesem Jahr", "in Woche {small}",
    ),
    "positive": (
        "{subject} ist großartig, {pct} besser als erwartet und alle freuen sich {wann}",
        "{person} lobt {number} Helfer: {subject} bringt {wann} wunderbare Ergebnisse für {company}",
        "Endlich gute Nachrichten, {subject} hat {money} gewonnen und {city} feiert {wann}",
    ),
    "negative": (
        "{subject} ist eine Katastrophe, {pct} schlechter als erwartet und alle ärgern sich {wann}",
        "{person} beklagt {number} Fehler: {subject} bringt {wann} schlimme Verluste für {company}",
        "Schon wieder schlechte Nachrichten, {subject} hat {money} verloren und {city} trauert {wann}",
    ),
    "neutral": (
        "{subject} steht {wann} auf der Liste von {company}, Seite {number}",
        "{person} aus {city} schreibt {wann} über {subject}, es geht um {money}",
        "Laut {company} zählt man {wann} {number} Einträge, {subject} ist einer davon",
    ),
    "title": (
        "{subject}: {number} Meldungen {wann}", "{person} über {subject} und {company}", "{city} {wann}: {subject}",
        "{subject}, {pct} und {money}",
    ),
}

FRENCH: dict[str, tuple[str, ...]] = {
    "subject.coins": (
        "le bitcoin", "l’ether", "la plateforme de {city}", "le portefeuille de {person}", "le jeton Solana",
    ),
    "subject.markets": ("l’action {company}", "la bourse de {city}", "le cours du cuivre", "l’emprunt de {company}"),
    "subject.weather": ("la pluie sur {city}", "le vent à {city}", "la météo de {city}", "la neige près de {city}"),
    "subject.programming": (
        "la version {release}", "l’outil {tool}", "le module {tool} en {tongue}", "le test de {tool}",
    ),
    "subject.news": ("la mairie de {city}", "l’école de {city}", "le pont de {city}", "le musée de {city}"),
    "quand": (
        "ce matin", "depuis {hour} heures", "cette nuit", "il y a {small} heures", "ce week-end",
        "depuis {small} jours", "hier vers {hour} heures", "juste avant midi", "pour la {small}e fois",
        "la semaine {small}",
    ),
    "positive": (
        "{subject} est magnifique, {pct} de mieux que prévu et tout le monde se réjouit {quand}",
        "{person} félicite {number} bénévoles : {subject} donne {quand} de superbes résultats à {company}",
        "Enfin une bonne nouvelle, {subject} a gagné {money} et {city} fait la fête {quand}",
    ),
    "negative": (
        "{subject} est une catastrophe, {pct} de moins que prévu et tout le monde se fâche {quand}",
        "{person} déplore {number} erreurs : {subject} cause {quand} de lourdes pertes à {company}",
        "Encore une mauvaise nouvelle, {subject} a perdu {money} et {city} est triste {quand}",
    ),
    "neutral": (
        "{subject} figure {quand} sur la liste de {company}, page {number}",
        "{person}, de {city}, écrit {quand} sur {subject}, il est question de {money}",
        "Selon {company}, on compte {quand} {number} lignes, {subject} en est une",
    ),
    "title": (
        "{subject} : {number} dépêches {quand}", "{person} à propos de {subject} et de {company}",
        "{city} {quand} : {subject}", "{subject}, {pct} et {money}",
    ),
}

SPANISH: dict[str, tuple[str, ...]] = {
    "subject.coins": (
        "el bitcóin", "el ether", "la casa de cambio de {city}", "la cartera de {person}", "la moneda Solana",
    ),
    "subject.markets": ("la acción de {company}", "la bolsa de {city}", "el precio del cobre", "el bono de {company}"),
    "subject.weather": (
        "la lluvia en {city}", "el viento de {city}", "el tiempo en {city}", "la nieve cerca de {city}",
    ),
    "subject.programming": (
        "la versión {release}", "la herramienta {tool}", "el módulo {tool} en {tongue}", "la prueba de {tool}",
    ),
    "subject.news": ("el ayuntamiento de {city}", "la escuela de {city}", "el puente de {city}", "el museo de {city}"),
    "cuando": (
        "esta mañana", "desde las {hour}", "esta noche", "hace {small} horas", "este fin de semana",
        "desde hace {small} días", "ayer hacia las {hour}", "poco antes del mediodía", "por {small}.ª vez",
        "en la semana {small}",
    ),
    "positive": (
        "{subject} es maravilloso, {pct} mejor de lo esperado y todos se alegran {cuando}",
        "{person} felicita a {number} voluntarios: {subject} trae {cuando} excelentes resultados a {company}",
        "Por fin una buena noticia, {subject} ganó {money} y {city} lo celebra {cuando}",
    ),
    "negative": (
        "{subject} es un desastre, {pct} peor de lo esperado y todos se enfadan {cuando}",
        "{person} lamenta {number} errores: {subject} causa {cuando} graves pérdidas a {company}",
        "Otra mala noticia, {subject} perdió {money} y {city} está triste {cuando}",
    ),
    "neutral": (
        "{subject} está {cuando} en la lista de {company}, página {number}",
        "{person}, de {city}, escribe {cuando} sobre {subject}, se trata de {money}",
        "Según {company}, se cuentan {cuando} {number} líneas, {subject} es una de ellas",
    ),
    "title": (
        "{subject}: {number} avisos {cuando}", "{person} sobre {subject} y {company}", "{city} {cuando}: {subject}",
        "{subject}, {pct} y {money}",
    ),
}

JAPANESE: dict[str, tuple[str, ...]] = {
    "subject.coins": ("ビットコイン", "イーサリアム", "{machi}の取引所", "{hito}さんのウォレット"),
    "subject.markets": ("{machi}の株式市場", "銅の価格", "{kaisha}の株", "{kaisha}の社債"),
    "subject.weather": ("{machi}の天気", "{machi}の雨", "{machi}の風", "{machi}の雪"),
    "subject.programming": ("{tool}の新しい版{release}", "{tool}の解析器", "{tongue}で書いた{tool}", "{tool}の試験"),
    "subject.news": ("{machi}の市議会", "{machi}の小学校", "{machi}の橋", "{machi}の博物館"),
    "machi": (
        "東京", "大阪", "札幌", "福岡", "仙台", "名古屋", "広島", "金沢", "長崎", "松山", "新潟", "高松", "静岡",
        "那覇", "盛岡", "熊本",
    ),
    "hito": (
        "佐々木", "小野寺", "藤原", "高橋", "松本", "石川", "上田", "村井", "中島", "西川", "大塚", "黒田", "浜口",
        "原口", "森下",
    ),
    "kaisha": (
        "みどり食品", "北斗運輸", "青葉電機", "しろがね銀行", "若竹製薬", "銀河通信", "白波海運", "山吹織物",
        "朝霧鉄道", "千鳥製鋼",
    ),
    "itsu": (
        "今朝", "{hour}時から", "昨夜", "{small}時間前に", "週末に", "この{small}日間", "昨日の{hour}時ごろ",
        "正午前に", "今年{small}回目に",
    ),
    "positive": (
        "{itsu}、{subject}は素晴らしく、予想より{pct}良くなり、{kaisha}のみんなが喜んでいます",
        "{hito}さんは{number}人の仲間に感謝し、{subject}は{itsu}最高の成果を出しました",
        "やっと良い知らせです。{subject}が{money}の利益を出し、{machi}は{itsu}お祝いです",
    ),
    "negative": (
        "{itsu}、{subject}はひどく、予想より{pct}悪くなり、{kaisha}のみんなが怒っています",
        "{hito}さんは{number}件の失敗を嘆き、{subject}は{itsu}最悪の結果になりました",
        "また悪い知らせです。{subject}が{money}の損失を出し、{machi}は{itsu}悲しんでいます",
    ),
    "neutral": (
        "{itsu}、{subject}は{kaisha}の一覧の{number}ページに載っています",
        "{machi}の{hito}さんが{itsu}{subject}について書きました。金額は{money}です",
        "{kaisha}によると、{itsu}{number}件の記録があり、{subject}はその一つです",
    ),
    "title": (
        "{subject}：{itsu}{number}件", "{hito}さんと{subject}、{kaisha}", "{machi}、{itsu}：{subject}",
        "{subject}、{pct}、{money}",
    ),
}

GRAMMARS = {"de": GERMAN, "fr": FRENCH, "es": SPANISH, "ja": JAPANESE}
