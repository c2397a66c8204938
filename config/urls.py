"""Which address leads where."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from fleet.views import metrics
from wharf import failures, health
from whatsapp.api.signed import InboundView
from whatsapp.office import office

urlpatterns: list[URLPattern | URLResolver] = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("office/", office.urls),
    path(
        "api-docs",
        # Asked for its OPTIONS, it would look for a template that it does not have.
        SpectacularSwaggerSplitView.as_view(
            url_name="schema", template_name="api_docs.html", http_method_names=["get", "head"]
        ),
    ),
    path("api-docs/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/", include("accounts.urls")),
    path("api/whatsapp/", include("whatsapp.api.urls")),
    path("webhook/whatsapp/baileys", InboundView.as_view()),
    path("webhook/whatsapp/baileys/", include("whatsapp.api.gateway_urls")),
    re_path(r"^(?:api|webhook)/(?P<path>.*)$", failures.api_not_found),
    path("", include("whatsapp.pages.urls")),
]

handler400 = failures.bad_request
handler403 = failures.permission_denied
handler404 = failures.page_not_found
handler500 = failures.server_error
