"""The report: one HTML file that opens without a network."""

from collections.abc import Callable
from html import escape

from lab.race.charts import draw_throughput, draw_waits
from lab.race.pieces import NARROW, WIDE, draw_pieces
from lab.race.results import EXACT, OVERSOLD, Race, Result
from lab.race.svg import FONT, STYLE, kind
from lab.race.table import STRATEGY, TIMES, VERDICT, counts, notes

PADDING = 40  # of the box around a drawing, in pixels
PAGE_STYLE = """
*{box-sizing:border-box}html{color-scheme:light dark}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 FONT;-webkit-text-size-adjust:100%}
main{max-width:68rem;margin:0 auto;padding:3rem 1.25rem 4rem}
h1{font-size:clamp(1.7rem,5vw,2.6rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 .6rem}
h2{font-size:1.15rem;margin:0 0 .15rem}p{margin:0 0 .9rem}a{color:inherit}
.lead{text-wrap:pretty;font-size:1.1rem;max-width:44rem;margin-bottom:1.8rem}.dim{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;margin:0 0 1.25rem}
section>.inner{padding:1.1rem 1.25rem .9rem}section svg{display:block;width:100%;height:auto}
.narrow{display:none}.pair{display:grid;grid-template-columns:1fr;gap:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.8rem;font-variant-numeric:tabular-nums}
th,td{padding:.45rem .34rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);vertical-align:bottom}tr:last-child td{border-bottom:0}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--card);padding-left:0}
th:nth-child(2),td:nth-child(2){text-align:left}td:first-child{font-weight:600}
.good,.bad,.odd{font-weight:650}.good{color:var(--good)}.bad{color:var(--bad)}.odd{color:var(--odd)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.5rem;margin:.6rem 0 .4rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:40rem){main{padding:2rem .75rem 3rem}.wide{display:none}.narrow{display:block}
.lead{font-size:1rem}section>.inner{padding:1rem .9rem .8rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
@media print{section{break-inside:avoid}}
"""


def as_html(race: Race) -> str:
    """Returns the whole page."""
    style = STYLE + PAGE_STYLE.replace("FONT", FONT)
    sections = [
        f"<section>{both(draw_pieces, race, 0)}</section>",
        chart("Orders accepted per second", throughput_words(race), both(draw_throughput, race, PADDING)),
        chart("How long buyers waited", WAIT_WORDS, both(draw_waits, race, PADDING)),
        f'<section><div class="inner"><h2>All numbers</h2>{table(race)}</div></section>',
        f'<section><div class="inner"><h2>What it ran on</h2>{settings(race)}</div></section>',
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1"><title>The stock race</title>',
            f"<style>{style}</style></head><body><main>",
            f"<h1>{headline(race)}</h1>",
            f'<p class="lead dim">{escape(lead(race))}</p>',
            *sections,
            "</main></body></html>",
            "",
        ]
    )


WAIT_WORDS = (
    "Accepted buyers in colour, all others in grey. Each row is scaled to its own highest bar; "
    "the marks are the times within which 50, 95 and 99 percent had their answer."
)


def both(draw: Callable[[Race, int], str], race: Race, padding: int) -> str:
    """A drawing twice, for a page and for a phone: letters keep their size, and the style shows one of them."""
    wide, narrow = draw(race, WIDE - padding), draw(race, NARROW - padding)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def chart(title: str, words: str, drawing: str) -> str:
    return f'<section><div class="inner"><h2>{title}</h2><p class="dim">{escape(words)}</p>{drawing}</div></section>'


def headline(race: Race) -> str:
    """The outcome in one sentence."""
    wrong = [result for result in race.results if result.verdict == OVERSOLD]
    exact = [result for result in race.results if result.verdict == EXACT]
    good = f'<span class="good">{len(exact)} exact</span>'
    if not wrong:
        return f"{good} of {len(race.results)}, none oversold."
    names = " and ".join(result.strategy for result in wrong) if len(wrong) < 3 else f"{len(wrong)} strategies"
    return f'<span class="bad">{names} oversold.</span> {good}.'


def lead(race: Race) -> str:
    plan = race.plan
    return (
        f"{plan.buyers:,} buyers wanted {plan.stock * plan.goods:,} pieces, {plan.at_once} of them at a time. What"
        " counts as sold is an order that was accepted: the stock column itself never shows that too much was sold."
    )


def throughput_words(race: Race) -> str:
    words = "Until the last order was accepted; longer is faster."
    if any(result.verdict == OVERSOLD for result in race.results):
        words += " * counts orders for pieces that were not there."
    return words


def table(race: Race) -> str:
    columns = [STRATEGY, VERDICT, *counts(race.plan), *TIMES]
    head = "".join(f"<th>{column.title.replace(chr(10), '<br>')}</th>" for column in columns)
    rows = "".join(row(result) for result in race.results)
    found = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="All numbers">{found}</div>'


def row(result: Result) -> str:
    cells = "".join(f"<td>{escape(column.text(result))}</td>" for column in (*counts(result.plan), *TIMES))
    verdict = f'<td class="{kind(result.verdict)}">{result.verdict}</td>'
    return f"<tr><td>{escape(result.strategy)}</td>{verdict}{cells}</tr>"


def settings(race: Race) -> str:
    plan = race.plan
    rows = {
        "database": race.database,
        **race.durability,
        "machine": race.machine,
        "buyers": f"{plan.processes} processes x {plan.threads} threads, via {plan.via}, seed {plan.seed}",
        **({"a buyer": f"at most {plan.limit_per_buyer} of a product"} if plan.limit_per_buyer else {}),
        "an order": f"{plan.quantity} of each of {min(plan.goods, 2)} goods" if plan.goods > 1 else f"{plan.quantity}",
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    remarks = "".join(f'<p class="dim">{escape(note)}</p>' for note in notes(race)[2:])
    return f"<dl>{listed}</dl>{remarks}"
