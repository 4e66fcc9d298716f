"""What the inputs of the API take."""

from typing import Any

from rest_framework import serializers


class Text(serializers.CharField):
    """A string, as the description says. DRF's own field turns numbers into strings."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)
