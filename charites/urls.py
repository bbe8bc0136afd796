from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from charites import front, views
from charites.admin import first_page, sign_in_page
from charites.gateway import gateway_urls
from charites.operators import seen_by_operators
from orders.payments.sandbox import page

# The customers are the order service's: it signs them in, and they pay there.
with_customers = [
    path("api/auth/token", views.TokenView.as_view()),
    path("api/auth/refresh", views.RefreshView.as_view()),
    path("api/me", views.MeView.as_view()),
    path("sandbox/pay/<str:link>", page.pay_page),
]

# What the instruments bring to the demo, by name: a shop that is deployed comes without them.
instruments = [path("", include("lab.web.urls"))] if settings.DEMO and apps.is_installed("lab") else []

urlpatterns = [
    path("", front.front_page, name="front"),
    path("language", set_language, name="language"),
    path("favicon.ico", views.favicon),
    path("media/<str:name>", views.uploaded_picture),
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("statusz", views.statusz),
    path("metrics", seen_by_operators("metrics", views.metrics_page)),
    path("admin/login/", sign_in_page),  # before the admin's own, as the next
    path("admin/", admin.site.admin_view(first_page)),
    path("admin/", admin.site.urls),
    path("api/schema", seen_by_operators("docs", SpectacularAPIView.as_view()), name="schema"),
    path("api/docs", seen_by_operators("docs", SpectacularSwaggerSplitView.as_view(url_name="schema")), name="docs"),
    *[path("api/", include(f"{app}.rest.urls")) for app in (*settings.APPS, "messaging")],
    *(with_customers if "orders" in settings.APPS else []),
    *instruments,
    *([path("", include("live.urls"))] if settings.IS_WHOLE else []),
    *gateway_urls(),
    re_path(r"^(?:api|v1)(?:/|$)", views.no_such_address),
    re_path(r"^[\s\S]*$", views.no_such_page),  # line breaks, too
]
