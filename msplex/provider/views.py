"""Usage of all tenants for the provider's own billing: counts, one row for each tenant and meter."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from billing.exports import MEDIA_TYPES, Format
from billing.months import month_of, parsed
from billing.provider import give_out
from billing.provider_tokens import holder_of
from identity.web import public
from tenants.errors import DomainError, Invalid

View = Callable[[HttpRequest], HttpResponse]


def with_token(view: Callable[[HttpRequest, str], HttpResponse]) -> View:
    """For who holds a token that `manage.py provider_token` made. Refusals are problems, as in the tenants' API."""

    @public("the provider's plane has tokens of its own")
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            holder = holder_of(request.headers.get("Authorization", "").removeprefix("Bearer "))
            if holder is None:
                return _problem(HTTPStatus.UNAUTHORIZED, "token_refused", "Give a token of the provider's, as Bearer.")
            return view(request, holder)
        except DomainError as error:
            return _problem(HTTPStatus(error.status), error.code, error.message, field=getattr(error, "field", ""))

    return wrapped


@require_GET
@with_token
def usage_export(request: HttpRequest, holder: str) -> HttpResponse:
    """`month`: that of now unless said. `format`: csv or json. It is written down who took it."""
    given = request.GET.get("month")
    month = parsed(given) if given else month_of(timezone.now())
    if month is None or month > month_of(timezone.now()):
        raise Invalid("Say a month that has begun, such as 2026-04.", field="month")
    try:
        made_as = Format(request.GET.get("format", Format.CSV.value))
    except ValueError:
        raise Invalid(f"An export is made as one of {', '.join(Format)}.", field="format") from None
    response = HttpResponse(give_out(month, made_as, by=f"token {holder}"), MEDIA_TYPES[made_as])
    response["Content-Disposition"] = f'attachment; filename="msplex-tenants-{month:%Y-%m}.{made_as}"'
    response["Cache-Control"] = "no-store"
    return response


def _problem(status: HTTPStatus, code: str, message: str, *, field: str = "") -> HttpResponse:
    told = {"code": code, "message": message, **({"field": field} if field else {})}
    response = JsonResponse(told, status=status, content_type="application/problem+json")
    if status is HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def nothing_here(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    return _problem(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here.")
