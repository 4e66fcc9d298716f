"""The gateway's process."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msplex.settings")
django.setup()

from msplex.collector import spare_what_stays  # noqa: E402 - the apps come first
from msplex.gateway.door import Application  # noqa: E402
from msplex.guard import check_process  # noqa: E402
from msplex.hygiene import end_with_parent  # noqa: E402
from msplex.metrics.serving import serve_metrics  # noqa: E402
from msplex.tracing import begin_tracing  # noqa: E402

check_process()
end_with_parent()
serve_metrics()
begin_tracing()
application = Application()
spare_what_stays()
