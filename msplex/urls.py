"""Every address of the portal's process. Each view says which permission it needs, or why it needs none."""

from importlib import import_module

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.routers import SimpleRouter

from approvals.views import held_enrol, held_report, held_sync
from connectors.views import hook
from identity.web import public
from msplex import installable, verifying
from msplex.health import healthz, readyz
from msplex.portal.api_approvals import EmergencyViewSet
from msplex.portal.api_log import log_keys_view

router = SimpleRouter()
for _module in (
    "identity.api",
    "approvals.api_rules",
    "connectors.api",
    "connectors.api_imported",
    "msplex.portal.api",
    "msplex.portal.api_approvals",
    "msplex.portal.api_audit",
    "msplex.portal.api_assets",
    "msplex.portal.api_billing",
    "msplex.portal.api_files",
    "msplex.portal.api_limits",
    "msplex.portal.api_explain",
    "msplex.portal.api_grants",
    "msplex.portal.api_log",
    "msplex.portal.api_notification_settings",
    "msplex.portal.api_notifications",
    "msplex.portal.api_packs",
):
    for _prefix, _viewset, _basename in import_module(_module).routes:
        router.register(_prefix, _viewset, basename=_basename)
# An address that is given as it stands, without a slash behind it.
bare = SimpleRouter(trailing_slash=False)
bare.register("emergency", EmergencyViewSet, basename="emergency")

urlpatterns = [
    path("app/manifest.webmanifest", installable.manifest, name="manifest"),
    path("app/worker.js", installable.worker, name="app-worker"),
    path("app/offline/", installable.offline, name="offline"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path(".well-known/msplex-log-keys.json", log_keys_view, name="log-keys"),
    path(".well-known/msplex-log-key.pem", verifying.log_key_pem, name="log-key-pem"),
    path(".well-known/msplex-pack-authority.pem", verifying.pack_authority, name="pack-authority"),
    path(".well-known/msplex_verify.py", verifying.verifier, name="verifier"),
    path(".well-known/msplex_verify_export.py", verifying.export_verifier, name="export-verifier"),
    path(".well-known/msplex_agent.py", verifying.host_agent, name="host-agent-program"),
    path("hooks/<str:address>", hook, name="hook"),
    path("held/enrol", held_enrol, name="held-enrol"),
    path("held/sync", held_sync, name="held-sync"),
    path("held/report", held_report, name="held-report"),
    path("api/v1/", include(([*router.urls, *bare.urls], "api"))),
    path(
        "api/schema",
        public("the API's description")(SpectacularJSONAPIView.as_view()),
        name="api-schema",
    ),
    path("", include("identity.urls_oauth")),
    path("", include("msplex.portal.urls")),
]
handler400 = "msplex.errors.bad_request"
handler403 = "msplex.errors.permission_denied"
handler404 = "msplex.errors.page_not_found"
handler500 = "msplex.errors.server_error"
