"""The terms of a plan, as they stand in its version."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from tenants.errors import Invalid

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class ConnectorTerms:
    """Of one connector. `overage_price`: of each call over the included ones, where they are allowed."""

    included_calls: int
    calls_per_minute: int = 600
    overage_allowed: bool = False
    overage_price: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        return {
            "included_calls": self.included_calls,
            "calls_per_minute": self.calls_per_minute,
            "overage_allowed": self.overage_allowed,
            "overage_price": str(self.overage_price),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Invalid when it is no such terms."""
        try:
            terms = cls(
                int(told["included_calls"]), int(told.get("calls_per_minute", 600)),
                bool(told.get("overage_allowed", False)), Decimal(str(told.get("overage_price", "0"))),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError) as error:
            raise Invalid(
                "Say included_calls, and if need be calls_per_minute, overage_allowed and overage_price.",
                field="connectors",
            ) from error
        if terms.included_calls < 0 or terms.calls_per_minute < 1 or not terms.overage_price >= 0:
            raise Invalid("Terms are not negative, and a minute has one call at least.", field="connectors")
        return terms

    def over(self, calls: int) -> int:
        return max(calls - self.included_calls, 0)

    def charge(self, calls: int) -> Decimal:
        """For so many calls of a month: nothing for the included ones."""
        return (self.over(calls) * self.overage_price).quantize(CENT) if self.overage_allowed else Decimal("0.00")
