"""Django's settings, derived from the typed environment (`config.env`); nothing here reads `os.environ`."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.templatetags.static import static
from django.utils.translation import gettext_lazy

from config.env import ROOT, read_env
from config.logs import logging_config
from config.mail import mail_settings, mailer
from wharf.logs import connection_name, process_name
from wharf.networks import parse_networks

env = read_env()

DEBUG = env.debug
SECRET_KEY = env.secret_key.get_secret_value()
PUBLIC_URL = env.public_url.rstrip("/")
#: The platform's own names. A company's are `Domain` rows, so `tenants.middleware` is what refuses unknown hosts.
PLATFORM_HOSTS = sorted({urlsplit(PUBLIC_URL).hostname or "127.0.0.1", "127.0.0.1", "localhost"} | env.hosts)
ALLOWED_HOSTS = ["*"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
STATE_DIR: Path = env.state_dir
BACKUP_DIR: Path = env.backup_dir or env.state_dir / "backups"
BACKUP_KEY = env.backup_key.get_secret_value()
ALERT_URLS = env.alert_urls.get_secret_value().split()
METRICS_TOKEN = env.metrics_token.get_secret_value()
METRICS_ADDRESS = env.metrics_address
SANDBOX_URL = env.sandbox_url.rstrip("/")
#: How long a request for a QR code waits for it (seed row 31).
LINKING_SECONDS = 60.0
WORKER = {
    "sessions_per_host": env.sessions_per_host,
    "capacity": env.worker_capacity,
    "warm_hosts": env.warm_hosts,
    "snapshot_seconds": env.snapshot_seconds,
    "lost_disk_seconds": env.lost_disk_seconds,
}
REPACK_QUIET_MINUTES = env.repack_quiet_minutes
REPACK_WINDOW = env.repack_window

# -- what it is made of ------------------------------------------------------------------------------------------
# Public schema: companies, people, placements, queue. Content types and permissions stay here alone, so that their
# ids agree in every company (django-tenants clears its cache whenever the schema changes).
SHARED_APPS = [
    "unfold.apps.BasicAppConfig",  # before django_tenants, which brings plain templates for the same pages
    "django_tenants",
    "tenants",
    "accounts",
    "accounts.sites.OperatorsAdmin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "fleet",
    "sandbox",
]
# Each company's own schema.
TENANT_APPS = ["audit", "whatsapp"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]

TENANT_MODEL = "tenants.Company"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "tenants.middleware.StartInPublic",
    "django.middleware.security.SecurityMiddleware",
    "wharf.security.ContentSecurityPolicy",
    "wharf.static.StaticFiles",
    "wharf.cors.OpenAPIToOtherSites",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.LanguageOfUser",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# -- stores ------------------------------------------------------------------------------------------------------
# A pool and no persistent connections: a request's thread waits with it, and each would keep a backend. Pooled ones
# are renewed, for a backend that has touched many companies' schemas grows (docs/architecture.md, database).
_database: dict[str, Any] = dict(
    dj_database_url.parse(env.database_url.get_secret_value(), engine="django_tenants.postgresql_backend")
)
_database["CONN_MAX_AGE"] = 0
ORIGINAL_BACKEND = "wharf.postgresql"  # what django-tenants builds upon
_database.setdefault("OPTIONS", {})["pool"] = {"min_size": 0, "max_size": 10, "max_lifetime": 600, "timeout": 10}
# Most of what the database did for a message was planning the same few statements again.
_database["OPTIONS"] |= {"server_side_binding": True, "prepare_threshold": 5}
# So that a stopped process's locks can be told from a person's (`fleet.leases`).
_database["OPTIONS"]["application_name"] = connection_name(process_name())
DATABASES = {"default": _database}

REDIS_URL = env.redis_url.get_secret_value()
CHANNEL_PREFIX = "wharf"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": CHANNEL_PREFIX},
    }
}

#: How many days the event log goes back.
EVENT_DAYS = env.event_days
#: How many days the audit goes back; 0: for ever.
AUDIT_DAYS = env.audit_days
#: Networks that webhooks may go to beside the open internet.
WEBHOOK_ALLOWED_NETWORKS = parse_networks(env.webhook_allowed_networks)

#: Whether Socket.IO's events also come under the hyphenated names of the older system's first documentation.
SOCKETIO_ALIASES = env.socketio_aliases

# -- people ------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["accounts.backends.ThrottledPassword"]
AUTH_PASSWORD_VALIDATORS = [
    # As in the older systems (seed contract 1.3): their clients' forms promise that six will do.
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 6}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "accounts.hashers.ImportedBcrypt",
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=24),  # as in the older systems (seed contract 1.0)
    "USER_ID_CLAIM": "userId",
    "UPDATE_LAST_LOGIN": False,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.tokens.CompanyToken", "accounts.keys.CompanyKey"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["wharf.parsers.BoundedJSON"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "wharf.api.on_error",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Wharf",
    "DESCRIPTION": "Many companies, many WhatsApp numbers, one harbour.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "wharf.schema.add_failures",
    ],
}

# -- mail --------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.email_from
globals().update(mail_settings(mailer(env.email_url.get_secret_value())))

# -- words -------------------------------------------------------------------------------------------------------
# Russian is what a reader gets who asks for nothing: the older systems' API speaks it.
LANGUAGE_CODE = "ru"
LANGUAGES = [("ru", "Русский"), ("kk", "Қазақша"), ("en", "English")]
LOCALE_PATHS = [ROOT / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# -- files -------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "staticfiles"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

LOGGING = logging_config(level=env.log_level, style=env.log_format)
LOGGING_CONFIG = "logging.config.dictConfig"

_UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Wharf",
    "SITE_HEADER": "Wharf",
    "SITE_SYMBOL": "anchor",
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("pages/logo.svg")},
    ],
    "STYLES": [lambda request: static("admin/wharf.css")],
    # As the company's pages have it; unfold's own is too dark for links on a dark ground.
    "COLORS": {
        "primary": {
            "50": "#f0f9fa", "100": "#e0f1f3", "200": "#bfe3e8", "300": "#93d1d9", "400": "#63c6d1", "500": "#3bb0bf",
            "600": "#0b7285", "700": "#0c5c6b", "800": "#0f4a56", "900": "#103d47", "950": "#0a2830",
        }
    },
}  # fmt: skip
UNFOLD = {
    **_UNFOLD,
    "LOGIN": {"form": "accounts.forms.OperatorsLogin"},
    "DASHBOARD_CALLBACK": "whatsapp.admin.overview.add_to_index",
}
#: The company's own part of the admin.
UNFOLD_OFFICE = {
    **_UNFOLD,
    "SITE_URL": None,
    "ACCOUNT": {
        "navigation": [
            {"title": gettext_lazy("The company's pages"), "link": "/"},
            {"title": gettext_lazy("My account"), "link": "/account"},
        ]
    },
    "DASHBOARD_CALLBACK": "whatsapp.office.overview.add_to_index",
}
