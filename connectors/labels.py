"""Values that people keep under a name of their own, such as a custom field: is it a secret, by that name?"""

import re

_SECRET = re.compile(
    r"pass(?!ed|ing|age|enger|port|ive)|pwd|\bpw\b|secret|kennwort|mot de passe|contrase|wachtwoord|credential|creds"
    r"|\b(pin|puk|otp|totp|mfa|2fa)\b|token|(api|access|private|secret|recovery|encryption|bitlocker|ssh|wi-?fi|psk|"
    r"licen[cs]e|product|pre-?shared) ?-?_?key|\bkeys?\b|snmp community|community string|seed phrase|recovery code"
)


def looks_secret(label: object) -> bool:
    """True for "Admin password", "adminPassword", "admin_pwd", "BitLocker recovery key", and for what is no text."""
    if not isinstance(label, str):
        return True
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label).replace("_", " ").replace("-", " ")
    return _SECRET.search(spaced.casefold()) is not None or _SECRET.search(label.casefold()) is not None
