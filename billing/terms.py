"""The terms of a plan, as they stand in its version."""

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from tenants.errors import Invalid

CENT = Decimal("0.01")
CURRENCY_LETTERS = 3
MOST_SEATS = 1_000_000
MOST_WEIGHT = 4  # beside such a tenant that floods, one of the weight 1 that does too keeps two places in the line
LEAST_DAYS, MOST_DAYS = 35, 36_500  # what is billed late is late by 35 days at most
# What this deployment can give: every tenant behind the two walls of one database. A plan promises nothing else.
ISOLATIONS = ("pooled",)


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """Of the whole plan. `seats`: none for any number; assets are those of each customer.

    `weight`: how many times the places in the line of calls, beside others that send more than they have places for.
    """

    seats: int | None = None
    retention_days: int = 365
    isolation: str = "pooled"
    currency: str = "EUR"
    free_assets: int = 5
    asset_price: Decimal = Decimal("3.00")
    weight: int = 1

    def check(self) -> None:
        """Invalid names the part that cannot be."""
        if self.seats is not None and not 1 <= self.seats <= MOST_SEATS:
            raise Invalid(f"Seats are 1 to {MOST_SEATS:,}, or nothing for any number.", field="seats")
        if not LEAST_DAYS <= self.retention_days <= MOST_DAYS:
            raise Invalid(f"Details are kept {LEAST_DAYS} to {MOST_DAYS:,} days.", field="retention_days")
        if self.isolation not in ISOLATIONS:
            raise Invalid(f"This deployment isolates tenants as: {', '.join(ISOLATIONS)}.", field="isolation")
        if not 1 <= self.weight <= MOST_WEIGHT:
            raise Invalid(f"A weight is 1 to {MOST_WEIGHT}.", field="weight")
        if len(self.currency) != CURRENCY_LETTERS or not self.currency.isupper():
            raise Invalid("Say the currency as ISO 4217 does, such as EUR.", field="currency")
        if self.free_assets < 0 or not self.asset_price >= 0 or self.asset_price != self.asset_price.quantize(CENT):
            raise Invalid("Free assets and their price are not negative, and the price is in cents.", field="assets")

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Of what is said; the rest as it is by itself. Invalid when it is no such terms."""
        names = {each.name for each in fields(cls)}
        if unknown := set(told) - names:
            raise Invalid(f"{', '.join(sorted(unknown))}: say of {', '.join(sorted(names))}.", field="terms")
        try:
            numbers = {name: int(told[name]) for name in ("retention_days", "free_assets", "weight") if name in told}
            money = {"asset_price": Decimal(str(told["asset_price"]))} if "asset_price" in told else {}
            seats = {"seats": int(told["seats"])} if told.get("seats") is not None else {}
        except (TypeError, ValueError, InvalidOperation) as error:
            raise Invalid(
                "Seats, retention_days, free_assets, weight and asset_price are numbers.", field="terms"
            ) from error
        texts = {name: str(told[name]) for name in ("isolation", "currency") if name in told}
        return cls(**numbers, **money, **seats, **texts)  # type: ignore[arg-type]


USUAL = PlanTerms()


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
