"""The report: one HTML file that opens without a network."""

from collections.abc import Callable
from html import escape

from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from lab.race.charts import draw_throughput, draw_waits
from lab.race.pieces import NARROW, WIDE, draw_pieces
from lab.race.race_plan import MOST_GOODS_PER_ORDER, Plan
from lab.race.results import EXACT, OVERSOLD, Race, Result
from lab.race.svg import FONT, STYLE, kind
from lab.race.table import STRATEGY, TIMES, VERDICT, VERDICTS, counts, remarks

FEW = 3  # strategies, which are named
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
.scroll{overflow-x:auto;background:linear-gradient(90deg,transparent,var(--card) 80%) right/3rem 100% local no-repeat,
linear-gradient(90deg,transparent,var(--line)) right/1rem 100% scroll no-repeat}
table{border-collapse:collapse;width:100%;font-size:.8rem;font-variant-numeric:tabular-nums}
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
    title = _("The stock race")
    style = STYLE + PAGE_STYLE.replace("FONT", FONT)
    sections = [
        f"<section>{both(draw_pieces, race, 0)}</section>",
        *rates(race),
        chart(_("How long buyers waited"), str(WAIT_WORDS), both(draw_waits, race, PADDING)),
        section(_("All numbers"), table(race)),
        section(_("What it ran on"), settings(race)),
    ]
    return "\n".join(
        [
            f'<!doctype html><html lang="{get_language()}"><head><meta charset="utf-8">',
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>',
            f"<style>{style}</style></head><body><main>",
            f"<h1>{headline(race)}</h1>",
            f'<p class="lead dim">{escape(lead(race))}</p>',
            *sections,
            "</main></body></html>",
            "",
        ]
    )


WAIT_WORDS = gettext_lazy(
    "Accepted buyers in colour, all others in grey. Each row is scaled to its own highest bar; "
    "the marks are the times within which 50, 95 and 99 percent had their answer."
)


def both(draw: Callable[[Race, int], str], race: Race, padding: int) -> str:
    """A drawing twice, for a page and for a phone: letters keep their size, and the style shows one of them."""
    wide, narrow = draw(race, WIDE - padding), draw(race, NARROW - padding)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def chart(title: str, words: str, drawing: str) -> str:
    return section(title, f'<p class="dim">{escape(words)}</p>{drawing}')


def section(title: str, inner: str) -> str:
    return f'<section><div class="inner"><h2>{escape(title)}</h2>{inner}</div></section>'


def rates(race: Race) -> list[str]:
    """The section of orders a second; none where fewer than two took long enough to be compared."""
    if sum(result.has_rate for result in race.results) < 2:
        return []
    return [chart(_("Orders accepted per second"), throughput_words(race), both(draw_throughput, race, PADDING))]


def headline(race: Race) -> str:
    """The outcome in a few words: who oversold, and who was exact; many are counted."""
    wrong = [result for result in race.results if result.verdict == OVERSOLD]
    exact = [result.strategy for result in race.results if result.verdict == EXACT]
    bad = [_("%(strategy)s oversold by %(pieces)s.") % told_of(result) for result in wrong]
    if len(wrong) > FEW:
        bad = [_("%(count)s strategies oversold.") % {"count": len(wrong)}]
    good = ngettext("%(strategies)s was exact.", "%(strategies)s were exact.", len(exact))
    if not 0 < len(exact) <= FEW:
        good = _("%(count)s of %(total)s were exact.")
    words = {"strategies": ", ".join(exact), "count": len(exact), "total": len(race.results)}
    parts = [f'<span class="bad">{escape(sentence)}</span>' for sentence in bad]
    return " ".join([*parts, f'<span class="good">{escape(good % words)}</span>'])


def told_of(result: Result) -> dict[str, str]:
    return {"strategy": result.strategy, "pieces": f"{result.oversold:,}"}


def lead(race: Race) -> str:
    plan = race.plan
    words = _(
        "%(buyers)s buyers wanted %(pieces)s pieces, %(at_once)s of them at a time. What counts as sold is an order"
        " that was accepted: the stock column itself never shows that too much was sold."
    )
    pieces = plan.stock * plan.goods
    return words % {"buyers": f"{plan.buyers:,}", "pieces": f"{pieces:,}", "at_once": plan.at_once}


def throughput_words(race: Race) -> str:
    words = _("Until the last order was accepted; longer is faster.")
    if any(result.verdict == OVERSOLD for result in race.results):
        words += " " + _("* counts orders for pieces that were not there.")
    return words


def table(race: Race) -> str:
    columns = [STRATEGY, VERDICT, *counts(race.plan), *TIMES]
    head = "".join(f"<th>{escape(str(column.title)).replace(chr(10), '<br>')}</th>" for column in columns)
    rows = "".join(row(result) for result in race.results)
    found = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    hint, name = _("The table goes on to the right: scroll it sideways."), _("All numbers")
    hinted = f'<p class="dim narrow">{hint}</p>'
    return f'{hinted}<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">{found}</div>'


def row(result: Result) -> str:
    cells = "".join(f"<td>{escape(column.text(result))}</td>" for column in (*counts(result.plan), *TIMES))
    verdict = f'<td class="{kind(result.verdict)}">{VERDICTS[result.verdict]}</td>'
    return f"<tr><td>{escape(result.strategy)}</td>{verdict}{cells}</tr>"


def settings(race: Race) -> str:
    plan = race.plan
    buyers = _("%(processes)s processes x %(threads)s threads, via %(via)s, seed %(seed)s")
    rows = {
        _("database"): race.database,
        **race.durability,
        _("machine"): race.machine,
        _("buyers"): buyers
        % {"processes": plan.processes, "threads": plan.threads, "via": plan.via, "seed": plan.seed},
        **({_("one buyer"): limit_of(plan)} if plan.limit_per_buyer else {}),
        _("one order"): size_of(plan),
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    return f"<dl>{listed}</dl>" + "".join(f'<p class="dim">{escape(remark)}</p>' for remark in remarks(race))


def limit_of(plan: Plan) -> str:
    limit = plan.limit_per_buyer
    text = ngettext("at most %(count)s piece of a product", "at most %(count)s pieces of a product", limit)
    return text % {"count": limit}


def size_of(plan: Plan) -> str:
    """What one order holds."""
    pieces = ngettext("%(count)s piece", "%(count)s pieces", plan.quantity) % {"count": plan.quantity}
    if plan.goods == 1:
        return pieces
    return _("%(pieces)s of each of %(goods)s products") % {"pieces": pieces, "goods": MOST_GOODS_PER_ORDER}
