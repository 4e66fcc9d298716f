"""The portal, the API and the OAuth endpoints."""

import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
application = get_wsgi_application()

from msplex.draining import heed_signal  # noqa: E402
from msplex.guard import check_process  # noqa: E402 - needs the apps
from msplex.hygiene import end_with_parent  # noqa: E402
from msplex.metrics.serving import serve_metrics  # noqa: E402
from msplex.tracing import begin_tracing  # noqa: E402

check_process()
end_with_parent()
serve_metrics()
begin_tracing()
if threading.current_thread() is threading.main_thread():
    heed_signal()
