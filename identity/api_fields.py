"""What the inputs of the API take."""

import re
from datetime import time
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class Text(serializers.CharField):
    """A string, as the description says. DRF's own field turns numbers into strings."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "example": "22:00"})
class Clock(serializers.TimeField):
    """A time of day in some zone, to the minute. What JSON Schema calls a time has an offset (RFC 3339)."""

    def __init__(self, **given: Any) -> None:
        super().__init__(format="%H:%M", input_formats=["%H:%M"], **given)

    def to_internal_value(self, value: Any) -> time:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{2}:[0-9]{2}", value, re.ASCII):
            self.fail("invalid", format="hh:mm")
        given: time = super().to_internal_value(value)
        return given
