"""How strict the tenant is about signing in. For owners."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from identity import services
from identity.permissions import Permission
from identity.selectors import security_policy
from identity.web import requires
from msplex.portal.answers import mend, said_beside
from msplex.portal.requests import PortalRequest
from msplex.portal.security_forms import SecurityForm

PAGE = "portal/security/security.html"


@requires(Permission.TENANT_SETTINGS_MANAGE, recent_mfa=True)
def security(request: PortalRequest) -> HttpResponse:
    form = SecurityForm(request.POST or None, initial=security_policy().values())
    if request.method != "POST":
        return render(request, PAGE, {"form": form})
    if form.is_valid():
        with said_beside(form):
            services.set_security_policy(**form.cleaned_data, by=request.actor)
            messages.success(request, "Saved. It holds from the next request on, for sessions that are open, too.")
            return redirect("portal:security")
    return mend(request, PAGE, {"form": form})
