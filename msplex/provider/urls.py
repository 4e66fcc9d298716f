"""Every address of the provider's process."""

from django.urls import path

from msplex.health import healthz
from msplex.provider.views import usage_export

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("provider/v1/usage/export", usage_export, name="usage-export"),
]
handler400 = handler404 = "msplex.provider.views.nothing_here"
