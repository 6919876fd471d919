"""The page of the quality report, as a Jinja template: structure and looks, no more."""

STYLE = """
:root { color-scheme: light dark; --ground: #fbfbfa; --sheet: #fff; --ink: #1c1d1f; --soft: #5f6368; --line: #dfe1e5;
  --good: #1a7f4b; --look: #9a6200; --bad: #b3261e; --bar: #a9b4c2; --usual: #0f766e; --tint: #f1f3f4; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --sheet: #1e2125; --ink: #e6e7e9; --soft: #a0a6ad;
  --line: #383c42;
  --good: #5fc98f; --look: #e7b45a; --bad: #f08a82; --bar: #56606c; --usual: #5ec4b8; --tint: #282c31; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .3rem 0; } .soft, .tick { color: var(--soft); } small { font-size: .85rem; }
code { font: .88em ui-monospace, monospace; overflow-wrap: anywhere; }
nav { margin: .8rem 0; } nav a { margin-right: 1rem; color: inherit; white-space: nowrap; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: .6rem; margin: 1rem 0; }
.tile, .card { background: var(--sheet); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; } .card { margin: .7rem 0; }
.mark { display: inline-block; border-radius: 4px; padding: 0 .45em; border: 1px solid currentColor; font-size: .85rem;
  white-space: nowrap; }
.good { color: var(--good); } .look { color: var(--look); }
.broken { color: var(--bad); } .empty { color: var(--soft); }
.wide { overflow-x: auto; background: var(--sheet); border: 1px solid var(--line); border-radius: 8px;
  margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .35rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); } tr:last-child > td { border-bottom: 0; }
th { font-weight: 600; font-size: .85rem; color: var(--soft); white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.words { min-width: 16rem; } tr.head > td { border-bottom: 0; padding-bottom: 0; }
td small { overflow-wrap: anywhere; }
details > summary { cursor: pointer; padding: .35rem 0; }
.dots i { display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; margin-right: 2px;
  background: currentColor; } .dots i.failed { border-radius: 1px; }
svg.chart { width: 100%; max-width: 640px; height: auto; display: block; margin: .4rem 0; }
svg.spark { width: 84px; height: 20px; } svg.spark polyline { fill: none; stroke: var(--usual); stroke-width: 1.5; }
svg .axis { stroke: var(--line); } svg .bar { fill: var(--bar); } svg .odd { fill: var(--bad); }
svg .usual { stroke: var(--usual); stroke-width: 2; } svg .tick { fill: var(--soft); font-size: 11px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .3rem 0; } dd { margin: 0; }
table.matrix { width: auto; } table.matrix td { padding: .2rem .6rem; }
.lack1 { background: #d6454026; }
.lack2 { background: #d6454055; } .lack3 { background: #d6454099; }
@media (max-width: 640px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""

PAGE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Data quality, {{ facts.day }}</title>
<style>"""
    + STYLE
    + """</style>
</head>
<body>
<main>
<header>
<h1>Data quality of {{ facts.day }} <span class="mark {{ facts.verdict }}">{{ facts.in_words }}</span></h1>
<p class="soft">UTC day by event time. Written {{ facts.made_at | moment }} UTC
{% if facts.mode == "demo" %}from <b>demo data</b> of the built-in sandbox{% else %}from live data{% endif %}.
Write it anew: <code>pipeline-platform quality --day {{ facts.day }}</code></p>
<nav><a href="#attention">Attention</a><a href="#outages">Outages</a>
<a href="#unusual">Unusual</a><a href="#scores">Scores</a>
<a href="#quarantine">Quarantine</a><a href="#sources">Sources</a><a href="#checks">Checks</a>
<a href="#reading">How to read this</a></nav>
<div class="tiles">
{% for name, value in facts.numbers.items() %}
<div class="tile"><b>{{ "–" if value is none else "{:,}".format(value) }}</b><span class="soft">{{ name }}</span></div>
{% endfor %}
</div>
</header>

<h2 id="attention">What needs attention</h2>
{% if not (facts.failures or facts.outages or facts.below_threshold) %}
<p class="good">No check failed, no fetch failed, no score is below its threshold.</p>
{% endif %}
{% for one in facts.failures %}
<div class="card">
<h3><span class="mark {{ 'broken' if one.check.blocking else 'look' }}">{{ one.check.status }}</span>
{{ one.check.table }}: {{ one.check.name }}</h3>
<p>{{ one.check.history[0].words }}</p>
<p class="soft"><small>{{ one.check.promise }}</small></p>
{% if one.samples %}
<div class="wide"><table>
<tr>{% for name in one.samples[0] %}<th>{{ name }}</th>{% endfor %}</tr>
{% for sample in one.samples %}
<tr>{% for value in sample.values() %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endif %}
{% if one.check.blocking %}
<details {{ "open" if one.blocked | length <= 12 else "" }}><summary>Held back by it: {{ one.blocked | length }} assets.
They keep what they held before.</summary>
<p>{% for path in one.blocked %}<code>{{ path }}</code>{{ ", " if not loop.last else "" }}{% else %}none{% endfor %}</p>
</details>
{% endif %}
</div>
{% endfor %}
{% for row in facts.outages %}
<div class="card">
<h3><span class="mark look">fetch failed</span> {{ row.stream }}</h3>
<p>{{ row.error }}</p>
<details><summary>Made without what did not come: {{ row.affected | length }} assets.</summary>
<p>{% for path in row.affected %}<code>{{ path }}</code>{{ ", " if not loop.last else "" }}{% endfor %}</p></details>
</div>
{% endfor %}
{% for row in facts.below_threshold %}
<div class="card">
<h3><span class="mark look">score {{ row.score | share }} below {{ row.threshold }}</span> {{ row.table }}</h3>
<p>{{ row.explanation }}. What costs most: {{ row.weakest }}.</p>
</div>
{% endfor %}

<h2 id="outages">What an outage took away</h2>
{% if not facts.effects %}
<p>No source was down, and none brought less than half of what is usual.</p>
{% else %}
<p class="soft">A row per table that is made from a source that was down; the figure is the share of its usual rows that
did not come from there. In italics: the table does not say where its rows are from, and its inputs lack as much.</p>
<div class="wide"><table class="matrix">
<tr><th></th>{% for one in facts.effects %}<th class="n">{{ one.source }}</th>{% endfor %}</tr>
<tr><td class="soft">records received</td>{% for one in facts.effects %}<td class="n">{{ "{:,}".format(one.received) }}
{% if one.usual is not none %}<small class="soft">of {{ "{:,.0f}".format(one.usual) }}</small>{% endif %}</td>
{% endfor %}</tr>
<tr><td class="soft">how one knows</td>{% for one in facts.effects %}<td class="n"><small>
{% for sign in one.signs %}{{ sign }}{% if not loop.last %}<br>{% endif %}{% endfor %}</small></td>{% endfor %}</tr>
{% for path, cells in affected(facts.effects) %}
<tr><td>{{ path }}</td>{% for cell in cells %}
{% if cell is none %}<td class="n soft">·</td>
{% else %}<td class="n lack{{ level(cell.missing) }}">{% if cell.missing is none %}<span class="soft">?</span>
{% elif cell.measured %}{{ "%.0f" | format(cell.missing * 100) }} %
{% else %}<i>{{ "%.0f" | format(cell.missing * 100) }} %</i>{% endif %}
{% if cell.held_back %} <span class="mark broken">held back</span>{% endif %}</td>{% endif %}
{% endfor %}</tr>
{% endfor %}
</table></div>
<p class="soft">Records of these sources in per cent of the usual, day by day; ? where too little is known. A day that
is not over is held against its part of the day.</p>
<div class="wide"><table class="matrix">
<tr><th>source</th>{% for past, _ in facts.effects[0].history %}<th class="n">{{ "{:%m-%d}".format(past) }}</th>
{% endfor %}</tr>
{% for one in facts.effects %}
<tr><td>{{ one.source }}</td>{% for _, share in one.history %}
<td class="n lack{{ level(none if share is none else 1 - share) }}">
{{ "?" if share is none else "%.0f" | format(share * 100) }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endif %}

<h2 id="unusual">What is unusual</h2>
{% if not facts.anomalies %}
<p>Nothing, as far as it can be judged: a table is held against the 28 days before, from two weeks of history on.</p>
{% endif %}
{% if facts.anomalies %}
<p class="soft">Red is what was seen on the day, grey the days before, the line what is usual.</p>
{% endif %}
{% for row in facts.anomalies %}
<div class="card">
<h3><span class="mark {{ 'broken' if row.severity == 'error' else 'look' }}">{{ row.severity }}</span>
{{ row.table }}{{ "" if row.column == "*" else "." ~ row.column }}: {{ row.kind }}</h3>
<p>{{ row.explanation }}</p>
{{ chart(row) }}
<p class="soft"><small>{{ "%.1f" | format(row.score) }} times the strength from which it is told, against
{{ row.history_days }} days.</small></p>
</div>
{% endfor %}

<h2 id="scores">Scores</h2>
<p class="soft">Lowest first. A score is the weighted mean of its parts:
{% for part, weight in parts.items() %}{{ part }} {{ weight }}{{ ", " if not loop.last else "" }}{% endfor %};
a part that cannot be measured (–) is left out, and the others weigh more.</p>
{% macro score_rows(rows) %}
<div class="wide"><table>
<tr><th>table</th><th class="n">score</th><th>28 days</th>
{% for part in parts %}<th class="n">{{ part }}</th>{% endfor %}<th class="n">rows</th></tr>
{% for row in rows %}
<tr><td>{{ row.table }}</td>
<td class="n {{ '' if row.is_enough else 'look' }}" title="{{ row.explanation }}"><b>{{ row.score | share }}</b></td>
<td>{{ trend(row.trend) }}</td>
{% for part in parts %}
<td class="n {{ 'look' if row[part] is not none and row[part] < 0.9 else '' }}">{{ row[part] | share }}</td>
{% endfor %}<td class="n">{{ "{:,}".format(row.rows) }}</td></tr>
{% endfor %}
</table></div>
{% endmacro %}
{% set judged = facts.scores | rejectattr("score", "none") | list %}
{% set perfect = judged | selectattr("score", "ge", 1) | list %}
{% set lesser = judged | selectattr("score", "lt", 1) | list %}
{% if lesser %}{{ score_rows(lesser) }}{% endif %}
{% if perfect %}
<details><summary>{{ perfect | length }} tables score 1.000</summary>{{ score_rows(perfect) }}</details>
{% endif %}
{% set unjudged = facts.scores | selectattr("score", "none") | list %}
{% if unjudged %}
<details><summary>{{ unjudged | length }} tables have no row on this day</summary>
<p>{% for row in unjudged %}<code>{{ row.table }}</code>{{ ", " if not loop.last else "" }}{% endfor %}</p></details>
{% endif %}
{% if not facts.scores %}<p>None yet: run <code>pipeline-platform run</code>.</p>{% endif %}

<h2 id="quarantine">Quarantine</h2>
{% if facts.quarantine %}
<div class="wide"><table>
<tr><th>rule</th><th class="n">rows</th><th>of</th></tr>
{% for one in facts.quarantine %}
<tr class="head"><td><b>{{ one.rule }}</b></td><td class="n">{{ one.rows }}</td>
<td>{{ one.kind }} <small class="soft">from {{ one.streams | join(", ") }}</small></td></tr>
<tr><td colspan="3">{% for sample in one.samples %}<div><small><code>{{ sample.record_id }}</code>
{{ sample.reason }}</small></div>{% endfor %}</td></tr>
{% endfor %}
</table></div>
{% else %}<p>No row of this day was rejected.</p>{% endif %}

<h2 id="sources">Sources</h2>
<p class="soft">As they are at the moment of writing.</p>
<div class="wide"><table>
<tr><th>source</th><th>status</th><th>breaker</th><th>last success (UTC)</th><th>newest event (UTC)</th>
<th class="n">dead letters</th><th>last error</th></tr>
{% for row in facts.sources %}
<tr><td>{{ row.title }}</td><td>{{ row.status }}</td>
<td class="{{ '' if row.breaker == 'closed' else 'broken' }}">{{ row.breaker }}</td>
<td>{{ row["last success"] | moment }}</td><td>{{ row["newest event"] | moment }}</td>
<td class="n {{ 'look' if row['dead letters'] else '' }}">{{ row["dead letters"] }}</td>
<td class="words">{{ row["last error"] or "–" }}</td></tr>
{% endfor %}
</table></div>
{% if facts.streams %}
<details><summary>What each of {{ facts.streams | length }} streams brought for this day</summary>
<div class="wide"><table>
<tr><th>stream</th><th class="n">received</th><th class="n">cleaned</th><th class="n">quarantined</th>
<th class="n">copies</th><th class="n">fetches</th><th class="n">failed</th><th class="n">score</th></tr>
{% for row in facts.streams %}
<tr><td>{{ row.stream }}</td><td class="n">{{ row.raw_records }}</td><td class="n">{{ row.cleaned_rows }}</td>
<td class="n {{ 'look' if row.quarantined_rows else '' }}">{{ row.quarantined_rows }}</td>
<td class="n">{{ row.duplicates }}</td>
<td class="n">{{ row.fetches }}</td>
<td class="n {{ 'broken' if row.failed_fetches else '' }}">{{ row.failed_fetches }}</td>
<td class="n">{{ row.quality_score | share }}</td></tr>
{% endfor %}
</table></div></details>
{% endif %}

<h2 id="checks">Checks</h2>
<p class="soft">Every check with its last evaluations about this day, newest at the right; hover to
read one.</p>
{% for layer, checks in layers(facts.checks) %}
<details {{ "open" if checks | selectattr("is_bad") | list else "" }}>
<summary><b>{{ layer }}</b>: {{ checks | selectattr("status", "equalto", "passed") | list | length }} of
{{ checks | length }} passed</summary>
<div class="wide"><table>
<tr><th>table</th><th>check</th><th>status</th><th>history</th><th>last said</th></tr>
{% for check in checks %}
<tr><td>{{ check.table.partition("/")[2] }}</td><td>{{ check.name }}
{% if check.blocking %}<small class="soft"> blocking</small>
{% endif %}</td>
{% set bad = "broken" if check.blocking else "look" %}
<td class="{{ 'good' if check.status == 'passed' else bad if check.is_bad else 'empty' }}">
{{ check.status }}</td>
<td class="dots">{% for past in check.history[:shown] | reverse %}<i class="{{ past.status }}
{{ 'good' if past.status == 'passed' else 'broken' }}"
title="{{ past.at | moment }} {{ past.status }}: {{ past.words }}"></i>
{% endfor %}</td>
<td class="words">{{ check.history[0].words if check.history else "" }}</td></tr>
{% endfor %}
</table></div>
</details>
{% endfor %}

<h2 id="reading">How to read this</h2>
<dl>
<dt>completeness</dt><dd>Share of rows with a value, per column against what is usual for it in the 28 days before;
columns that must have a value count from the first day.</dd>
<dt>uniqueness</dt><dd>Distinct keys of the rows.</dd>
<dt>consistency</dt><dd>Rows that keep the rules over several columns, such as low ≤ high.</dd>
<dt>validity</dt><dd>Rows that keep the rules of every column; in cleaned tables of all that was received, so that what
is in quarantine counts.</dd>
<dt>timeliness</dt><dd>Rows that were received within the look-back of their stream and a day after they happened;
– for a day that was fetched later than that.</dd>
<dt>unusual</dt><dd>Volume, level, null rates, duplicates, categories, standing numbers and empty hours, held against 28
days. From twice the strength at which it is told it is an error.</dd>
<dt>held back</dt><dd>A blocking check that fails stops everything made from its table. Quarantine and this report are
made all the same.</dd>
</dl>
</main>
</body>
</html>
"""
)
