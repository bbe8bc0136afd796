"""The pages of a small race: where it is started and watched, and its report."""

import base64
import hashlib
import re
from html import escape

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from charites.common.rest.content_policy import EVERYWHERE, HEADER
from lab.web import small_race
from lab.web.demo import for_the_demo
from lab.web.race_program import SIZE
from lab.web.small_race import State

STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
THEN_REPORT = "then=report"


@for_the_demo
@require_http_methods(["GET", "HEAD", "POST"])
def race_page(request: HttpRequest) -> HttpResponse:
    """Starts a race, and shows how far it is; whoever has waited for its end is led to the report."""
    if request.method == "POST":
        small_race.start(get_language())
        return redirect(f"{reverse('race')}?{THEN_REPORT}")
    seen = small_race.look()
    if seen.state is State.DONE and request.META["QUERY_STRING"] == THEN_REPORT:
        return redirect("race-report")
    return render(request, "lab/race.html", {"seen": seen, "size": SIZE})


@for_the_demo
@require_safe
def report_page(request: HttpRequest) -> HttpResponse:
    """The report of the last race, with a way back in front of it."""
    html = small_race.find_report()
    if html is None:
        return redirect("race")
    answer = HttpResponse(html.replace("<main>", f"<main>{ways_back()}", 1))
    answer[HEADER] = policy_of(html)
    return answer


def ways_back() -> str:
    ways = {reverse("front"): _("To the shop"), reverse("race"): _("Another race")}
    links = " · ".join(f'<a href="{address}">{escape(words)}</a>' for address, words in ways.items())
    return f"<nav><p>{links}</p></nav>"


def policy_of(html: str) -> str:
    """The report is one file that opens anywhere, so its style stands in it: here that style is let in, by its hash,
    and no other one."""
    hashes = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in STYLE.findall(html)]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; style-src {allowed}; {EVERYWHERE}"
