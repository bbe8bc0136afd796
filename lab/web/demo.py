"""Who sees the pages that the instruments bring."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from charites.views import no_such_page
from live.visitors import is_demo

View = Callable[..., HttpResponse]


def for_the_demo(view: View) -> View:
    """A page for callers on this machine alone; for everybody else there is no such page."""

    @never_cache
    @wraps(view)
    def shown(request: HttpRequest, **named: int) -> HttpResponse:
        return view(request, **named) if is_demo(request) else no_such_page(request)

    return shown
