"""What calls have answered that their callers could not wait for."""

from django.db import models

from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer


class KeptAnswer(TenantModel):
    """What one call has answered, for a day: sealed for that call, and given to whoever made it (msplex.kept).

    The broker adds it with the outcome of the call, or not at all. Nobody may change it.
    """

    call_id = models.UUIDField()
    principal_id = models.UUIDField()
    customer = TenantKey(Customer, models.DO_NOTHING, related_name="+")
    sealed = models.BinaryField(editable=False)
    kept_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "call_id"], name="connectors_kept_once")]
        indexes = [models.Index(fields=["tenant_id", "kept_at"], name="connectors_kept_age")]

    def __str__(self) -> str:
        return f"answer of {self.call_id}"
