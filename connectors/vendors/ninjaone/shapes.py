"""What is given out of NinjaOne's objects. Times are seconds since 1970, as the vendor has them."""

from connectors.custom_fields import CUSTOM_FIELDS
from connectors.shapes import Field, Kind, Nested, Shape

OWNER = "organizationId"
DEVICE = "deviceId"

_ID = Field("id", Kind.INTEGER, required=True)
_ORGANIZATION = Field("organizationId", Kind.INTEGER, required=True, description="The customer's id at the vendor.")
_ON_DEVICE = Field("deviceId", Kind.INTEGER, required=True)
_SEEN = Field("timestamp", Kind.NUMBER, description="When it was collected.")

_DEVICE_FIELDS = (
    _ID,
    _ORGANIZATION,
    Field("systemName"),
    Field("displayName"),
    Field("dnsName"),
    Field("nodeClass"),
    Field("locationId", Kind.INTEGER),
    Field("offline", Kind.BOOLEAN),
    Field("approvalStatus"),
    Field("lastContact", Kind.NUMBER),
    Field("created", Kind.NUMBER),
    Field("maintenanceStatus", source="maintenance.status"),
    Field("maintenanceEnd", Kind.NUMBER, source="maintenance.end"),
    Field("warrantyEnd", Kind.NUMBER, source="references.warranty.endDate"),
)
LISTED_DEVICE = Shape(OWNER, _DEVICE_FIELDS)
FULL_DEVICE = Shape(
    OWNER,
    (
        *_DEVICE_FIELDS,
        Field("ipAddresses", source="addresses", description="Separated by commas."),
        Field("publicIP"),
        Field("deviceType"),
        Field("osName", source="os.name"),
        Field("needsReboot", Kind.BOOLEAN, source="os.needsReboot"),
        Field("manufacturer", source="system.manufacturer"),
        Field("model", source="system.model"),
        Field("serialNumber", source="system.serialNumber"),
    ),
    (Nested("notes", Shape("", (Field("text", max_length=4000, description="Untrusted text."),)), many=True),),
)
_ALERT_FIELDS = (
    Field("uid"),
    _ON_DEVICE,
    Field("severity"),
    Field("priority"),
    Field("subject", max_length=500, description="Untrusted text."),
    Field("message", max_length=4000, description="Untrusted text."),
    Field("sourceType"),
    Field("conditionName"),
    Field("conditionHealthStatus"),
    Field("createTime", Kind.NUMBER),
    Field("updateTime", Kind.NUMBER),
)
ALERT = Shape(DEVICE, _ALERT_FIELDS)
RESET_ALERT = Shape("uid", _ALERT_FIELDS)
HEALTH = Shape(
    DEVICE,
    (
        _ON_DEVICE,
        Field("healthStatus"),
        Field("offline", Kind.BOOLEAN),
        Field("alertCount", Kind.INTEGER),
        Field("activeThreatsCount", Kind.INTEGER),
        Field("quarantinedThreatsCount", Kind.INTEGER),
        Field("pendingOSPatchesCount", Kind.INTEGER),
        Field("failedOSPatchesCount", Kind.INTEGER),
        Field("pendingSoftwarePatchesCount", Kind.INTEGER),
        Field("failedSoftwarePatchesCount", Kind.INTEGER),
        Field("criticalVulnerabilityCount", Kind.INTEGER),
        Field("highVulnerabilityCount", Kind.INTEGER),
        Field("mediumVulnerabilityCount", Kind.INTEGER),
        Field("lowVulnerabilityCount", Kind.INTEGER),
        Field("pendingRebootReason"),
        Field("avInstallStatus"),
    ),
)
OS_PATCH = Shape(
    DEVICE,
    (
        Field("id"),
        _ON_DEVICE,
        Field("name", max_length=500),
        Field("kbNumber"),
        Field("severity"),
        Field("status"),
        Field("type"),
        Field("installedAt", Kind.NUMBER),
        _SEEN,
    ),
)
SOFTWARE_PATCH = Shape(
    DEVICE,
    (
        Field("id"),
        _ON_DEVICE,
        Field("title", max_length=500),
        Field("impact"),
        Field("status"),
        Field("type"),
        Field("installedAt", Kind.NUMBER),
        _SEEN,
    ),
)
ANTIVIRUS = Shape(
    DEVICE,
    (
        _ON_DEVICE,
        Field("productName"),
        Field("productState"),
        Field("definitionStatus"),
        Field("version"),
        _SEEN,
    ),
)
THREAT = Shape(
    DEVICE,
    (
        _ON_DEVICE,
        Field("name", max_length=500, description="Untrusted text."),
        Field("level"),
        Field("status"),
        Field("type"),
        Field("category"),
        Field("detectionSource"),
        _SEEN,
    ),
)
SOFTWARE = Shape(
    DEVICE,
    (
        _ON_DEVICE,
        Field("name", max_length=500, description="Untrusted text."),
        Field("version"),
        Field("publisher"),
        Field("installDate"),
        Field("isSystemComponent", Kind.BOOLEAN),
    ),
)
BACKUP_JOB = Shape(
    OWNER,
    (
        Field("jobId"),
        _ORGANIZATION,
        Field("deviceId", Kind.INTEGER),
        Field("jobStatus"),
        Field("planName"),
        Field("planType"),
        Field("jobStartTime", Kind.NUMBER),
        Field("jobEndTime", Kind.NUMBER),
        Field("totalStoredBytes", Kind.NUMBER),
    ),
)
DOCUMENT = Shape(
    OWNER,
    (
        Field("documentId", Kind.INTEGER),
        _ORGANIZATION,
        Field("documentName", max_length=500, description="Untrusted text."),
        Field("documentDescription", max_length=4000, description="Untrusted text."),
        Field("documentTemplateName"),
        Field("documentUpdateTime", Kind.NUMBER),
    ),
    (CUSTOM_FIELDS,),
)
ACTIVITY = Shape(
    DEVICE,
    (
        _ID,
        _ON_DEVICE,
        Field("activityTime", Kind.NUMBER),
        Field("activityType"),
        Field("statusCode"),
        Field("status"),
        Field("activityResult"),
        Field("severity"),
        Field("priority"),
        Field("subject", max_length=500, description="Untrusted text."),
        Field("message", max_length=4000, description="Untrusted text."),
        Field("sourceName"),
    ),
)
