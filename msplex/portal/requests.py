"""The request as a signed-in page sees it."""

from django.http import HttpRequest

from audit.actors import Actor
from identity.models import User
from identity.principals import ActingPrincipal
from identity.services import Client


class PortalRequest(HttpRequest):
    """identity.middleware fills these in. Behind @public they may be empty."""

    principal: ActingPrincipal
    actor: Actor
    client: Client
    user: User
