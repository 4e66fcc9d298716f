"""The domain in what people write down as a client's web address: with or without scheme, path and "www."."""

from urllib.parse import urlsplit

from audit.packs.domains import normal

_LONGEST = 500


def domain_in(written: object) -> str:
    """In lower case and ASCII; empty where there is none, such as in a bare address of a machine."""
    if not isinstance(written, str) or len(written) > _LONGEST:
        return ""
    plain = written.strip().lower()
    try:
        host = urlsplit(plain if "//" in plain else f"//{plain}").hostname or ""
    except ValueError:
        return ""
    domain = normal(host.rstrip(".").removeprefix("www.")) or ""
    return "" if domain.rpartition(".")[2].isdigit() else domain
