import base64

from msplex.runtime.smoke.proof import totp


def test_totp_agrees_with_rfc_6238() -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()

    assert [totp(secret, at=at) for at in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]
