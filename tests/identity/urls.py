"""Identity's own addresses and a few views that show what the middleware does."""

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.routers import SimpleRouter

from identity.api import routes
from identity.permissions import Permission
from identity.web import public, requires
from tenants.isolation.context import current
from tenants.models import Customer

router = SimpleRouter()
for prefix, viewset, basename in routes:
    router.register(prefix, viewset, basename=basename)


@requires(Permission.PORTAL_DASHBOARD_READ)
def whoami(request):
    scope = current().customers
    return JsonResponse(
        {
            "principal": str(request.principal.id),
            "user": str(request.user.pk),
            "actor": request.actor.label,
            "customers": scope if scope is None else [str(customer) for customer in scope],
        }
    )


@requires(Permission.CUSTOMERS_CUSTOMER_READ)
def lazy(request):
    """The query runs when the template does."""
    template = engines["django"].from_string("{% for c in customers %}{{ c.key }} {% endfor %}")
    return TemplateResponse(request, template, {"customers": Customer.objects.order_by("key")})


@requires(Permission.CUSTOMERS_CUSTOMER_MANAGE)
def write(request):
    Customer.objects.create(name="Made", key="made")
    match request.GET["then"]:
        case "raise":
            raise RuntimeError
        case "500":
            return HttpResponse(status=500)
        case "404":
            return HttpResponse(status=404)
    messages.success(request, "Made.")
    request.session["made"] = True
    return HttpResponse()


@requires(Permission.TENANT_SETTINGS_MANAGE)
def owners_only(request):
    return HttpResponse()


@public("a test")
def anyone(request):
    return JsonResponse({"context": current() is not None, "principal": request.principal is not None})


def undeclared(request):
    return render(request, "nothing")


urlpatterns = [
    path("api/v1/", include((router.urls, "api"))),
    path("api/schema", public("the description")(SpectacularJSONAPIView.as_view())),
    path("", include("identity.urls_oauth")),
    path("whoami", whoami),
    path("lazy", lazy),
    path("write", write),
    path("owners", owners_only),
    path("anyone", anyone),
    path("sign-in", anyone, name="sign_in"),
]
