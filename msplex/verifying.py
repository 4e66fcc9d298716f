"""What a stranger needs: the programs that check packs and exports, keys and certificates; and the host agent."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from approvals.agent import msplex_agent
from audit.log_keys import log_keys
from audit.packs.certificates import authority_of
from audit.verifier import msplex_verify
from billing import msplex_verify_export
from identity.web import public
from tenants.errors import NotFound

PROGRAM = Path(msplex_verify.__file__)
EXPORT_PROGRAM = Path(msplex_verify_export.__file__)
AGENT = Path(msplex_agent.__file__)


@public("whoever checks a pack needs the program, and need not be known here")
def verifier(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return _file(PROGRAM.read_bytes(), PROGRAM.name, "text/x-python; charset=utf-8")


@public("whoever pays by an export needs the program, and need not be known here")
def export_verifier(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return _file(EXPORT_PROGRAM.read_bytes(), EXPORT_PROGRAM.name, "text/x-python; charset=utf-8")


@public("a host that is to hold grants needs the program, and is not known here yet")
def host_agent(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return _file(AGENT.read_bytes(), AGENT.name, "text/x-python; charset=utf-8")


@public("the public keys of the log, as openssl reads them; the newest first")
def log_key_pem(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return _file("".join(key.pem for key in reversed(log_keys())).encode(), "log.pub", "application/x-pem-file")


@public("the certificate that makes a PDF reader believe a summary")
def pack_authority(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    if not settings.PDF_CERTIFICATES:
        raise NotFound
    return _file(
        authority_of(settings.PDF_CERTIFICATES).encode(), "msplex-pack-authority.pem", "application/x-pem-file"
    )


def _file(content: bytes, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
