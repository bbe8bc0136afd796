"""Signing in to buy, with a session."""

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from charites.common.sign_in_form import CountedSignInForm, with_limit

LOG_IN = LoginView.as_view(
    authentication_form=CountedSignInForm,
    template_name="live/sign_in.html",
    next_page="front",
    redirect_authenticated_user=True,
)
sign_out = LogoutView.as_view(next_page="front")


@never_cache
def sign_in_page(request: HttpRequest) -> HttpResponseBase:
    return with_limit(LOG_IN(request))
