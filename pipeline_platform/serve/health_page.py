"""The health page as a Jinja template: structure and looks, no more. Its style is that of the quality report."""

from pipeline_platform.quality.report_page import STYLE

_HEAD = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="60">
<title>Health of the platform</title>
<style>"""
    + STYLE
    + """
svg .succeeded, svg .records { fill: var(--bar); } svg .failed { fill: var(--bad); }
svg.share { display: block; width: 100%; min-width: 4rem; height: 8px; background: var(--tint); border-radius: 4px; }
svg.share rect { fill: var(--bar); }
.tiles { grid-template-columns: repeat(auto-fit, minmax(max(128px, 22%), 1fr)); }
time, td.plain, td code { white-space: nowrap; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: .6rem; }
.pair .card { margin: 0; } .key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; }
.key .failed { background: var(--bad); } .key .succeeded { background: var(--bar); } .key { margin-right: .8rem; }
pre { font: .8rem/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0;
  max-height: 24rem; overflow-y: auto; background: var(--tint); border-radius: 6px; padding: .5rem .7rem; }
td.bar { width: 22%; vertical-align: middle; } td details { min-width: 14rem; }
</style>
</head>
<body>
<main>
"""
)

UNKNOWN = (
    _HEAD
    + """<h1>Health of the platform <span class="mark broken">unknown</span></h1>
<p>{{ reason }}</p>
<p class="soft">Start it, or see its log; this page looks again in a minute.</p>
</main>
</body>
</html>
"""
)

PAGE = (
    _HEAD
    + """<header>
<h1>Health of the platform <span class="mark {{ facts.verdict }}">{{ facts.in_words }}</span></h1>
<p class="soft">{{ facts.made_at | moment }} UTC, {% if facts.mode == "demo" %}<b>demo data</b>{% else %}live data
{% endif %}, the last {{ hours }} hours. The page looks again every minute.</p>
<nav><a href="#runs">Runs</a><a href="#sources">Sources</a><a href="#quality">Quality</a><a href="#errors">Errors</a>
<a href="/metrics">Metrics</a></nav>
<div class="tiles">
<div class="tile"><b>{{ (facts.made_at - facts.up_since).total_seconds() | duration }}</b>
<span class="soft">up</span></div>
<div class="tile"><b>{{ facts.of_day.success | count }}</b><span class="soft">jobs succeeded</span></div>
<div class="tile"><b class="{{ 'broken' if facts.of_day.failure else '' }}">{{ facts.of_day.failure | count }}</b>
<span class="soft">jobs failed</span></div>
<div class="tile"><b>{{ facts.error_rate | percent }}</b><span class="soft">of the jobs failed</span></div>
<div class="tile"><b>{{ facts.waiting.started }} / {{ facts.waiting.queued }}</b>
<span class="soft">at work / waiting</span></div>
<div class="tile"><b>{{ (facts.records | sum // hours) | count }}</b><span class="soft">records per hour</span></div>
<div class="tile"><b>{{ "–" if facts.score is none else "%.3f" | format(facts.score) }}</b>
<span class="soft">mean quality score</span></div>
<div class="tile"><b class="{{ 'look' if facts.open_letters else '' }}">{{ facts.open_letters | count }}</b>
<span class="soft">dead letters</span></div>
</div>
<p class="soft">Dagster's daemon was at work {{ facts.daemon_at | ago(facts.made_at) }}.
Since it was set up: {{ facts.totals.get("success", 0) | count }} runs succeeded,
{{ facts.totals.get("failure", 0) | count }} failed, {{ facts.totals.get("canceled", 0) | count }} were canceled.</p>
</header>

<div class="pair">
<div class="card"><h3>Runs by hour</h3>{{ runs_chart(facts) }}
<p class="soft"><span class="key"><i class="succeeded"></i> succeeded</span>
<span class="key"><i class="failed"></i> failed</span></p></div>
<div class="card"><h3>Records received by hour</h3>{{ records_chart(facts) }}
<p class="soft">{{ facts.records | sum | count }} in {{ hours }} hours</p></div>
</div>

{% if facts.alerts %}
<h2 id="alerts">Alerts that last</h2>
<div class="wide"><table>
<tr><th>since</th><th>severity</th><th>rule</th><th>of</th><th>what</th></tr>
{% for one in facts.alerts %}
<tr><td>{{ one.began_at | ago(facts.made_at) }}</td>
<td class="{{ "broken" if one.severity == "critical" else "look" }}">{{ one.severity }}</td>
<td>{{ one.rule }}</td><td>{{ one.subject }}</td>
<td class="words">{{ one.message }}</td></tr>
{% endfor %}
</table></div>
{% endif %}

<h2 id="runs">Recent runs</h2>
{% if facts.recent %}
<div class="wide"><table>
<tr><th>job</th><th>status</th><th>ended</th><th class="n">took</th><th>days</th><th>started by</th><th>run</th></tr>
{% for run in facts.recent %}
{% set looks = {"success": "good", "failure": "broken", "canceled": "look"}.get(run.status, "soft") %}
<tr><td>{{ run.job }}</td><td class="{{ looks }}">{{ run.status }}</td>
<td>{% if run.ended_at %}{{ run.ended_at | ago(facts.made_at) }}{% else %}–{% endif %}</td>
<td class="n">{{ run.seconds | duration }}</td>
<td class="plain">{{ run.first_day or "–" }}{% if run.last_day != run.first_day %} to {{ run.last_day }}{% endif %}</td>
<td class="plain">{{ run.cause }}</td><td><code>{{ run.run_id[:8] }}</code></td></tr>
{% if run.error %}
<tr><td colspan="7"><details><summary class="broken">{{ run.failed_steps | join(", ") or "the run itself" }}</summary>
<pre>{{ run.error }}</pre></details></td></tr>
{% endif %}
{% endfor %}
</table></div>
{% else %}<p>None yet: run <code>pipeline-platform run</code>, or wait for the first schedule of
<code>pipeline-platform up</code>.</p>{% endif %}

<h2 id="sources">Sources</h2>
{% if facts.sources %}
<div class="wide"><table>
<tr><th>source</th><th>last success</th><th class="n">mean time</th><th></th><th class="n">runs</th>
<th class="n">failed</th><th class="n">records</th><th class="n">requests</th><th class="n">fetches failed</th>
<th class="n">dead letters</th></tr>
{% for one in facts.sources %}
<tr><td>{{ one.name }}</td><td>{{ one.succeeded_at | ago(facts.made_at) }}</td>
<td class="n">{{ one.seconds | duration }}</td><td class="bar">{{ share(one.seconds, slowest) }}</td>
<td class="n">{{ one.runs | count }}</td>
<td class="n {{ 'broken' if one.failed else '' }}">{{ one.failed | count }}</td>
<td class="n">{{ one.records | count }}</td><td class="n">{{ one.requests | count }}</td>
<td class="n {{ 'broken' if one.failed_fetches else '' }}">{{ one.failed_fetches | count }}</td>
<td class="n {{ 'look' if one.letters else '' }}">{{ one.letters | count }}</td></tr>
{% endfor %}
</table></div>
<p class="soft">Mean time of the runs of a source; of its fetches where the main job fetched it.</p>
{% else %}<p>Nothing was fetched yet.</p>{% endif %}

<h2 id="quality">Quality</h2>
{% if facts.scores %}
<div class="wide"><table>
<tr><th>lowest scores</th><th class="n">score</th><th></th></tr>
{% for table, score in facts.scores %}
<tr><td>{{ table }}</td><td class="n {{ 'look' if score < 0.9 else '' }}">{{ "%.3f" | format(score) }}</td>
<td class="bar">{{ share(score, 1) }}</td></tr>
{% endfor %}
</table></div>
<p class="soft">Of the newest day of each table; <code>pipeline-platform quality</code> says why.</p>
{% else %}<p>No scores yet.</p>{% endif %}

<h2 id="errors">Errors</h2>
{% if facts.errors %}
<div class="wide"><table>
<tr><th>source</th><th>class</th><th class="n">since it was set up</th></tr>
{% for source, kind, number in facts.errors %}
<tr><td>{{ source }}</td><td>{{ kind }}</td><td class="n">{{ number | count }}</td></tr>
{% endfor %}
</table></div>
{% else %}<p class="good">No error was ever counted.</p>{% endif %}
{% for letter in facts.letters %}
<div class="card">
<h3><span class="mark look">{{ letter.error_class }}</span> {{ letter.stream }}: {{ letter.target }}</h3>
<p>{{ letter.message }}</p>
<p class="soft"><small>{{ letter.failed_at | ago(facts.made_at) }}, {{ letter.attempts }} attempts, owed from
{{ letter.window.start | moment }} to {{ letter.window.end | moment }} UTC, run
<code>{{ letter.run_id[:8] }}</code></small></p>
{% if letter.traceback %}
<details><summary>Stack trace</summary><pre>{{ letter.traceback }}</pre></details>
{% endif %}
</div>
{% endfor %}
{% if facts.open_letters > facts.letters | length %}
<p class="soft">and {{ facts.open_letters - facts.letters | length }} more:
<code>pipeline-platform dead-letters list</code></p>
{% endif %}
</main>
</body>
</html>
"""
)
