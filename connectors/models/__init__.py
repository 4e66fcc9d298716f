"""A tenant's connections to vendors, whom they serve, and every call that was made or refused."""

from connectors.models.calls import IdempotencyKey, Pause, ToolCall
from connectors.models.client_sources import ClientSource
from connectors.models.clients import ClientList, VendorClient
from connectors.models.connections import ConnectorInstance, CustomerMapping, HealthCheck
from connectors.models.credentials import AdoptedSecret, Credential, OwnCredential, SealedSecret
from connectors.models.hooks import Hook, HookDelivery
from connectors.models.imported import Discovery, DryRun, ImportedTool
from connectors.models.kept import KeptAnswer
from connectors.models.signals import Signal, SignalPull

__all__ = [
    "AdoptedSecret",
    "ClientList",
    "ClientSource",
    "ConnectorInstance",
    "Credential",
    "CustomerMapping",
    "Discovery",
    "DryRun",
    "HealthCheck",
    "Hook",
    "HookDelivery",
    "IdempotencyKey",
    "ImportedTool",
    "KeptAnswer",
    "OwnCredential",
    "Pause",
    "SealedSecret",
    "Signal",
    "SignalPull",
    "ToolCall",
    "VendorClient",
]
