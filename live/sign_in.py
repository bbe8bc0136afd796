"""Signing in to buy, with a session."""

from typing import Any

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from charites.common.sign_in_form import CountedSignInForm, with_limit
from live.visitors import is_demo


class SignIn(LoginView):
    authentication_form = CountedSignInForm
    template_name = "live/sign_in.html"
    next_page = "front"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"demo": is_demo(self.request)}


LOG_IN = SignIn.as_view()
sign_out = LogoutView.as_view(next_page="front")


def to_sign_in(name: str, room_id: int) -> HttpResponse:
    """Leads to where one signs in, and from there back to this page of the room."""
    return redirect(f"{reverse('sign-in')}?next={reverse(name, args=[room_id])}")


@never_cache
def sign_in_page(request: HttpRequest) -> HttpResponseBase:
    return with_limit(LOG_IN(request))
