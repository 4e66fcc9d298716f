"""Settings. Everything that differs between deployments comes from the environment (docs/running.md)."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from msplex import databases
from msplex.environment import read_environment
from msplex.logs.config import logging_config
from msplex.mail_server import email_settings

env = read_environment()
BASE_DIR = Path(__file__).resolve().parent.parent

MSPLEX_PROCESS = env.msplex_process
MSPLEX_ENV = env.msplex_env
PRODUCTION = MSPLEX_ENV == "production"
DEBUG = False

# Keys. Each process is given only its own (docs/architecture.md); msplex.guard refuses to start otherwise.
SECRET_KEY = env.msplex_secret_key
CONTEXT_KEY = env.msplex_context_key
CONTEXT_KEY_ID = env.msplex_context_key_id
TOKEN_SIGNING_KEY = env.msplex_token_signing_key
TOKEN_VERIFY_KEY = env.msplex_token_verify_key
BROKER_SIGNING_KEY = env.msplex_broker_signing_key
BROKER_VERIFY_KEY = env.msplex_broker_verify_key
BROKER_ROOT_KEY = env.msplex_broker_root_key
BROKER_KEYRING = env.msplex_broker_keyring
SEALING_SUITE = env.msplex_sealing_suite
STORAGE_KEY_DAYS = env.msplex_storage_key_days
RECORD_KEY = env.msplex_record_key
NOTIFY_KEY = env.msplex_notify_key
NOTIFY_PUBLIC_KEY = env.msplex_notify_public_key
LOG_SIGNING_KEY = env.msplex_log_signing_key
PDF_SIGNING_KEY = env.msplex_pdf_signing_key
PDF_CERTIFICATES = env.msplex_pdf_certificates
SEALER_DIR = env.msplex_sealer_dir
SEAL_SECONDS = env.msplex_seal_seconds

PUBLIC_URL = env.msplex_public_url.rstrip("/")
GATEWAY_RESOURCE = env.msplex_gateway_url
MCP_PROPOSALS = frozenset(env.msplex_mcp_proposals)  # of MCP, that are spoken before they are decided
API_RESOURCE = f"{PUBLIC_URL}/api"
VENDOR_NETWORKS = tuple(env.msplex_vendor_networks)
EFFECTS_READER = "msplex.previewing.read_effects"  # what makes the calls that show what a request would change
NOTIFY_NETWORKS = tuple(env.msplex_notify_networks)

METRICS_ADDRESS = env.msplex_metrics_address

ALLOWED_HOSTS = sorted({urlsplit(url).hostname or "" for url in (PUBLIC_URL, GATEWAY_RESOURCE)})
if MSPLEX_ENV != "production":
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "testserver"]
CSRF_TRUSTED_ORIGINS = env.msplex_trusted_origins or [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "csp",
    "django_filters",
    "django_htmx",
    "django_tables2",
    "django_otp",
    "guardian",
    "lucide",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "tenants",
    "audit",
    "identity",
    "django_otp_webauthn",  # after identity, whose people its models refer to
    "billing",
    "connectors",
    "approvals",
    "msplex",
]
MIDDLEWARE = [
    "msplex.access.AccessLines",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.common.CommonMiddleware",
    "msplex.errors.ErrorPages",
    "identity.middleware.PrincipalMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "msplex.urls"
if MSPLEX_PROCESS == "provider":  # another plane: no portal, no sessions, nobody of a tenant
    ROOT_URLCONF = "msplex.provider.urls"
    MIDDLEWARE = [
        "msplex.access.AccessLines",
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]
WSGI_APPLICATION = "msplex.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# A new connection costs more than a whole call (SCRAM), so all that runs long has a pool; commands have none.
_POOLS = {"portal": 8, "gateway": 12, "worker": 2, "broker": 4}
DATABASES: dict[str, dict[str, Any]] = {
    "default": databases.application(
        env.database_url or "postgres:///msplex",
        pool_size=_POOLS.get(MSPLEX_PROCESS, 0),
        bounded=MSPLEX_PROCESS in {"gateway", "broker"},
    ),
}
# Their names are short on purpose: no running process has these aliases, only the commands that need them.
if env.msplex_migration_database_url:
    DATABASES["migrate"] = databases.migration(env.msplex_migration_database_url)
if env.msplex_provider_database_url:
    DATABASES["provider"] = databases.parse(env.msplex_provider_database_url)
ADMIN_DATABASE_URL = env.msplex_admin_database_url
_COMMAND_URLS = ("msplex_admin_database_url", "msplex_migration_database_url", "msplex_provider_database_url")
COMMAND_URLS_GIVEN = [name.upper() for name in _COMMAND_URLS if getattr(env, name)]
# True where every statement of the connection is bounded already (see audit.services.record).
DATABASE_BOUNDED = MSPLEX_PROCESS in {"gateway", "broker"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_url
_broker_url = f"redis+socket://{REDIS_URL.removeprefix('unix://')}" if REDIS_URL.startswith("unix://") else REDIS_URL
# Somebody waits for those who send: they try once. Those who take tasks wait for the queue to come back.
_PUBLISHING = {} if MSPLEX_PROCESS in {"worker", "broker", "beat"} else {"max_retries": 1, "interval_start": 0}
CELERY = {
    "broker_url": _broker_url.replace("?db=", "?virtual_host="),
    "task_ignore_result": True,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_time_limit": 120,
    "worker_prefetch_multiplier": 1,
    # A child that has opened secrets does not live long: what Python has left in its memory goes with it.
    "worker_max_tasks_per_child": 500 if MSPLEX_PROCESS == "broker" else None,
    "worker_hijack_root_logger": False,
    "worker_send_task_events": False,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "visibility_timeout": 3600,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        **_PUBLISHING,
    },
    "task_publish_retry": False,
    "task_default_queue": "worker",
    "enable_utc": True,
    "timezone": "UTC",
}

# The worker alone sends, and is given the server.
globals().update(email_settings(env.msplex_email_url, env.msplex_email_from, production=PRODUCTION))

AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["identity.backends.TenantWideBackend", "identity.backends.CustomerBackend"]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "portal:sign_in"
STEP_UP_URL = "portal:step_up"
GUARDIAN_MONKEY_PATCH_USER = GUARDIAN_MONKEY_PATCH_GROUP = False
# Their own tables know no tenants: never made. identity has tables of the tenant in their place.
MIGRATION_MODULES = {
    "guardian": "identity.guardian.migrations",
    "oauth2_provider": "identity.oauth.migrations",
    "django_otp_webauthn": "identity.webauthn.migrations",
}
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # an e-mail is unique within its tenant, not over all
    "oauth2_provider.W008",  # http goes to the person's own computer only (identity.oauth.clients)
    "oauth2_provider.W011",  # access tokens are signed and never stored, so nothing refers to a refresh token
    "guardian.W001",  # its backend is the only one: sign-in is identity.services, not authenticate()
]
# The authorization server for people's MCP clients. What is not set here is switched off, not merely unused.
OAUTH2_PROVIDER_APPLICATION_MODEL = "identity.OAuthApplication"
OAUTH2_PROVIDER_GRANT_MODEL = "identity.OAuthCode"
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "identity.OAuthRefreshToken"  # noqa: S105 -- the names of models
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth2_provider.AccessToken"  # noqa: S105 -- these three have no table
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth2_provider.IDToken"  # noqa: S105
OAUTH2_PROVIDER_DEVICE_GRANT_MODEL = "oauth2_provider.DeviceGrant"
OAUTH2_PROVIDER = {
    "ACCESS_TOKEN_GENERATOR": "identity.oauth.generators.access_token",
    "REFRESH_TOKEN_GENERATOR": "identity.oauth.generators.refresh_token",
    "OAUTH2_SERVER_CLASS": "identity.oauth.server.Server",
    "OAUTH2_BACKEND_CLASS": "identity.oauth.server.Core",
    "OAUTH2_VALIDATOR_CLASS": "identity.oauth.validator.Validator",
    "OIDC_ISS_ENDPOINT": PUBLIC_URL,
    "SCOPES": {
        "gateway:tool:read": "Run tools that read",
        "gateway:tool:write": "Run tools that change something",
        "gateway:tool:destroy": "Run tools that delete or switch off",
    },
    "DEFAULT_SCOPES": ["gateway:tool:read", "gateway:tool:write"],
    "PKCE_REQUIRED": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOW_LOCALHOST_LOOPBACK": True,
    **{
        f"COMPLIANT_BCP_RFC9700_{gate}": True
        for gate in (
            "IMPLICIT_GRANT", "PASSWORD_GRANT", "PKCE_METHOD", "ACCESS_TOKEN_TRANSPORT", "AUTHZ_RESPONSE_ISS",
            "TOKEN_STORAGE", "REFRESH_TOKEN", "REDIRECT_URI_MATCHING", "PKCE_REQUIRED",
        )
    },
}  # fmt: skip
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if MSPLEX_ENV == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ABSOLUTE_SECONDS = 12 * 60 * 60  # how long a cookie can last; a tenant's own limits: identity.SecurityPolicy

# Passkeys are made for this name for good: with another one, every passkey is lost.
_public_host = urlsplit(PUBLIC_URL).hostname or ""
_is_this_machine = _public_host in {"127.0.0.1", "localhost"}  # browsers take names only, also of themselves
WEBAUTHN_RP_ID = env.msplex_webauthn_rp_id
OTP_WEBAUTHN_RP_ID = WEBAUTHN_RP_ID or ("localhost" if _is_this_machine else _public_host)
OTP_WEBAUTHN_RP_NAME = "MSPlex"
OTP_WEBAUTHN_ALLOWED_ORIGINS = [PUBLIC_URL.replace(_public_host, "localhost") if _is_this_machine else PUBLIC_URL]
OTP_WEBAUTHN_CREDENTIAL_MODEL = "identity.Passkey"

SECURE_COOKIES = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_NAME = "__Host-session" if SECURE_COOKIES else "msplex_session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE_COOKIES else "msplex_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "msplex.errors.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
SECURE_HSTS_SECONDS = 31536000 if SECURE_COOKIES else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_COOKIES
SECURE_HSTS_PRELOAD = SECURE_COOKIES
SECURE_SSL_REDIRECT = SECURE_COOKIES
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_COOKIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["identity.api_defaults.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["identity.api_defaults.DeclaredPermission"],
    "DEFAULT_PAGINATION_CLASS": "identity.api_defaults.NewestFirst",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "identity.rest.problem",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # there is JSON only, and a pack's download has a parameter of that name
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MSPlex",
    "DESCRIPTION": "The portal's rooms as an API, with the same permissions.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "identity.openapi.describe_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": "identity.models.bindings.ROLE_CHOICES",
        "CallStateEnum": "connectors.models.ToolCall.State",
        "InstanceStateEnum": "connectors.models.ConnectorInstance.State",
        "NotificationSeverityEnum": "approvals.notifications.models.Severity",
        "ApprovalStateEnum": "approvals.models.ApprovalRequest.State",
        "GrantStateEnum": "approvals.models.HeldGrant.State",
        "GrantUseStateEnum": "approvals.models.GrantUse.State",
        "PackStateEnum": "audit.packs.models.Pack.State",
    },
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / ".msplex" / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # nothing is stored as a file
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if MSPLEX_ENV != "production":
    WHITENOISE_USE_FINDERS = True
    WHITENOISE_AUTOREFRESH = MSPLEX_ENV == "test"
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

LOG_JSON = env.msplex_log_format == "json" or (PRODUCTION and not env.msplex_log_format)
LOGGING = logging_config(env.msplex_log_level, json=LOG_JSON, to_stdout=LOG_JSON and MSPLEX_PROCESS != "command")
