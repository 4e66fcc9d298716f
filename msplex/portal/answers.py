"""What views answer with: a form that has to be mended, a word about what was done, a page of rows."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tenants.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound

PAGE_ROWS = 25
Row = TypeVar("Row", bound=Model)


def one(rows: QuerySet[Row], pk: UUID) -> Row:
    """From a scoped selector. Unknown, another tenant's and out of scope are one and the same."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound
    return row


def mend(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """The page again, with what is wrong beside each field. Nothing of the request is kept."""
    return render(request, template, dict(context), status=HTTPStatus.UNPROCESSABLE_ENTITY)


@contextlib.contextmanager
def said_beside(form: forms.BaseForm, *, leaving: type[DomainError] | tuple[()] = ()) -> Iterator[None]:
    """A refusal that the person can mend is shown at the field it is about. `leaving`: what the view answers itself."""
    try:
        yield
    except leaving:
        raise
    except Invalid as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
    except (Conflict, NotAllowed) as error:
        form.add_error(None, error.message)


def carry_out(request: HttpRequest, action: Callable[[], object], done: str) -> bool:
    """A button's work, and what became of it as a message on the next page."""
    try:
        action()
    except (Conflict, Invalid, NotAllowed) as error:
        messages.error(request, error.message)
        return False
    messages.success(request, done)
    return True


def page_of(request: HttpRequest, rows: QuerySet[Row]) -> Page[Row]:
    return Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
