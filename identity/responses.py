"""Refusals that leave something behind on purpose: a counted try, an event, what was interrupted."""

from typing import TypeVar

from django.http import HttpResponseBase

Answer = TypeVar("Answer", bound=HttpResponseBase)
ATTRIBUTE = "identity_committed"


def committed(response: Answer) -> Answer:
    """The request's transaction is committed, although the answer is a refusal."""
    setattr(response, ATTRIBUTE, True)
    return response


def is_committed(response: HttpResponseBase) -> bool:
    return getattr(response, ATTRIBUTE, False) is True
