"""The only settings module. Values come from the environment; a wrong one refuses to start.

Defaults are those of production: TLS-only cookies, HSTS, no debug. `make demo` and `make up` turn on
plain HTTP for this machine explicitly, with CHANCERY_PLAIN_HTTP=true.
"""

import hmac
from datetime import timedelta
from pathlib import Path

import dj_database_url
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import EnvError, validate
from kombu.entity import Queue

from config.enum_names import ENUM_NAMES
from config.env import BASE_DIR, env, mail_server, required, url

try:
    DEBUG = env.bool("DEBUG", default=False)
    SECRET_KEY = required("SECRET_KEY", "a random text of at least 50 characters")
    ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
    DATABASE_URL = required(
        "DATABASE_URL", "postgresql://user:password@host:port/name", url("postgresql", "postgres")
    )
    REDIS_URL = required("REDIS_URL", "redis://host:port/0", url("redis", "rediss", "unix"))
    PLAIN_HTTP = env.bool("CHANCERY_PLAIN_HTTP", default=False)
    PUBLIC_URL = env.str("CHANCERY_PUBLIC_URL", default="https://localhost", validate=url("http", "https"))
    TRUSTED_PROXY_COUNT = env.int("CHANCERY_TRUSTED_PROXY_COUNT", default=0, validate=validate.Range(min=0))
    STATE_DIR = Path(env.str("CHANCERY_STATE_DIR", default=str(BASE_DIR / ".chancery")))
    ORGANISATION = env.str("CHANCERY_ORGANISATION", default="Your organisation")
    LOG_LEVEL = env.str(
        "CHANCERY_LOG_LEVEL", default="INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])
    )
    EMBEDDING_MODEL = env.str("CHANCERY_EMBEDDING_MODEL", default="")
    EMBEDDING_TIMEOUT_S = env.float("CHANCERY_EMBEDDING_TIMEOUT_S", default=2.0)
    LEDGER_SIGNING_KEY_FILE = Path(
        env.str("CHANCERY_LEDGER_SIGNING_KEY_FILE", default=str(STATE_DIR / "ledger.key"))
    )
    LEDGER_PUBLIC_KEY_FILE = Path(
        env.str("CHANCERY_LEDGER_PUBLIC_KEY_FILE", default=str(STATE_DIR / "ledger.pub"))
    )
    LEDGER_ORIGIN = env.str("CHANCERY_LEDGER_ORIGIN", default="chancery/ledger")
    APPROVAL_LIFE_S = env.int("CHANCERY_APPROVAL_LIFE_S", default=1800, validate=validate.Range(min=30))
    APPROVAL_USABLE_S = env.int("CHANCERY_APPROVAL_USABLE_S", default=600, validate=validate.Range(min=10))
    BREAKER_THRESHOLD = env.int("CHANCERY_BREAKER_THRESHOLD", default=5, validate=validate.Range(min=1))
    BREAKER_WINDOW = timedelta(
        seconds=env.int("CHANCERY_BREAKER_WINDOW_S", default=600, validate=validate.Range(min=1))
    )
    BASELINE_CALLS = env.int("CHANCERY_BASELINE_CALLS", default=30, validate=validate.Range(min=5))
    INGEST_MAX_BODY_BYTES = env.int("CHANCERY_INGEST_MAX_BODY_BYTES", default=4 * 1024 * 1024)
    INGEST_MAX_QUEUE_BYTES = env.int("CHANCERY_INGEST_MAX_QUEUE_BYTES", default=256 * 1024 * 1024)
    MOST_NEW_AGENTS_PER_HOUR = env.int(
        "CHANCERY_MOST_NEW_AGENTS_PER_HOUR", default=500, validate=validate.Range(min=1)
    )
    AGENT_DIRECTORY = env.str(
        "CHANCERY_AGENT_DIRECTORY", default="off", validate=validate.OneOf(["off", "team", "everywhere"])
    )
    MAIL_SERVER = mail_server("CHANCERY_EMAIL_URL")
    DEFAULT_FROM_EMAIL = env.str("CHANCERY_EMAIL_FROM", default="Chancery <chancery@localhost>")
    JUDGE_URL = env.str(
        "CHANCERY_JUDGE_URL", default="", validate=lambda value: value and url("http", "https")(value)
    )
    JUDGE_KEY = env.str("CHANCERY_JUDGE_KEY", default="")
    JUDGE_MODEL = env.str("CHANCERY_JUDGE_MODEL", default="")
    OUTGOING_ALLOW: list[str] = env.list("CHANCERY_OUTGOING_ALLOW", default=[])
    GATEWAY_COMMANDS: list[str] = env.list("CHANCERY_GATEWAY_COMMANDS", default=[])
    GATEWAY_URL = env.str("CHANCERY_GATEWAY_URL", default="https://localhost", validate=url("http", "https"))
    SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
    ARCHIVE_DIR = Path(env.str("CHANCERY_ARCHIVE_DIR", default=str(STATE_DIR / "archive")))
    # Of the hashes that stand for content; set it to change SECRET_KEY and keep hashes comparable.
    CONTENT_KEY = hmac.digest(
        env.str("CHANCERY_CONTENT_KEY", default=SECRET_KEY).encode(), b"chancery content", "sha256"
    )
    PARTITION_DAYS_AHEAD = env.int(
        "CHANCERY_PARTITION_DAYS_AHEAD", default=14, validate=validate.Range(min=2)
    )
except EnvError as error:
    raise ImproperlyConfigured(str(error)) from error

if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured(
        'Environment variable "SECRET_KEY" is too short: expected at least 50 characters'
    )

SITE_NAME = "Chancery"
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
AUTH_USER_MODEL = "identity.Person"
SILENCED_SYSTEM_CHECKS = ["auth.E003", "auth.W004"]  # addresses are unique by Lower(): person_email_is_unique
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "auditlog",
    "axes",
    "channels",
    "csp",
    "django_filters",
    "django_fsm",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "config",
    "apps.kit",
    "apps.identity",
    "apps.agents",
    "apps.activity",
    "apps.oversight",
    "apps.compliance",
    "apps.lifecycle",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.identity.middleware.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.identity.audit.AuditMiddleware",
    "apps.kit.ui.middleware.ProblemPageMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.shell.shell",
            ],
            "builtins": ["apps.kit.templatetags.kit"],
        },
    }
]

# Database: the URL names a role that owns nothing (docs/operations.md); migrations run as the owner.
DATABASES = {
    "default": dj_database_url.parse(DATABASE_URL, conn_max_age=0, conn_health_checks=True)
    | {"ATOMIC_REQUESTS": False, "OPTIONS": {"application_name": "chancery"}}
}
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 10, "timeout": 10}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
# A socket waits 5 seconds in one request for something to tell; a client that gives up just then loses every idle feed.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 20}], "capacity": 500, "expiry": 10},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# Mail: without CHANCERY_EMAIL_URL none is sent, and pages that would send some say so.
MAIL_IS_ON = MAIL_SERVER is not None
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if MAIL_IS_ON else 'dummy'}.EmailBackend"
EMAIL_TIMEOUT = 20
if MAIL_SERVER:
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER.host, MAIL_SERVER.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER.user, MAIL_SERVER.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL_SERVER.starttls, MAIL_SERVER.tls

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_DEFAULT_QUEUE = "chancery"
CELERY_TASK_QUEUES = (Queue("chancery"), Queue("embeddings"))
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_RESULT_EXPIRES = 300
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {"task": "identity.heartbeat", "schedule": 10.0, "options": {"expires": 10}},
    "create-partitions": {
        "task": "activity.create_partitions",
        "schedule": crontab(minute=7),
        "options": {"expires": 3600},
    },
    "score-calls": {"task": "activity.score_calls", "schedule": 3.0, "options": {"expires": 3}},
    "judge-effects": {"task": "activity.judge_effects", "schedule": 3.0, "options": {"expires": 3}},
    "roll-up": {"task": "activity.roll_up", "schedule": 3.0, "options": {"expires": 3}},
    "index-words": {"task": "activity.index_words", "schedule": 3.0, "options": {"expires": 3}},
    "look-for-silence": {
        "task": "activity.look_for_silence",
        "schedule": crontab(minute="*/10"),
        "options": {"expires": 600},
    },
    "keep-retention": {
        "task": "activity.keep_retention",
        "schedule": crontab(hour=1, minute=20),
        "options": {"expires": 12 * 3600},
    },
    "resume-erasures": {"task": "activity.resume_erasures", "schedule": 15.0, "options": {"expires": 15}},
    "forget-scores": {
        "task": "activity.forget_scores",
        "schedule": crontab(hour=3, minute=40),
        "options": {"expires": 12 * 3600},
    },
    "read-outcomes": {"task": "activity.read_outcomes", "schedule": 10.0, "options": {"expires": 10}},
    "watch-outcomes": {
        "task": "activity.watch_outcomes",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 300},
    },
    "expire-approvals": {"task": "oversight.expire_approvals", "schedule": 5.0, "options": {"expires": 5}},
    "seal-decisions": {"task": "oversight.seal_decisions", "schedule": 60.0, "options": {"expires": 60}},
    "watch-breakers": {"task": "oversight.watch_breakers", "schedule": 5.0, "options": {"expires": 5}},
    "detect-drift": {
        "task": "compliance.detect_drift",
        "schedule": crontab(minute="*/15"),
        "options": {"expires": 900},
    },
    "expire-certifications": {
        "task": "compliance.expire_certifications",
        "schedule": crontab(hour=2, minute=30),
        "options": {"expires": 12 * 3600},
    },
    "forget-requests": {
        "task": "identity.forget_requests",
        "schedule": crontab(hour=3, minute=10),
        "options": {"expires": 12 * 3600},
    },
    "send-webhooks": {"task": "identity.send_webhooks", "schedule": 5.0, "options": {"expires": 5}},
    "forget-deliveries": {
        "task": "identity.forget_deliveries",
        "schedule": crontab(hour=3, minute=20),
        "options": {"expires": 12 * 3600},
    },
    "push-connectors": {"task": "agents.push_connectors", "schedule": 60.0, "options": {"expires": 60}},
    "refresh-vectors": {"task": "agents.refresh_vectors", "schedule": 15.0, "options": {"expires": 15}},
    "resume-jobs": {"task": "agents.resume_jobs", "schedule": 60.0, "options": {"expires": 60}},
    "send-mails": {"task": "agents.send_mails", "schedule": 60.0, "options": {"expires": 60}},
    "read-facts": {"task": "agents.read_facts", "schedule": 600.0, "options": {"expires": 600}},
    "keep-quality": {
        "task": "agents.keep_quality",
        "schedule": crontab(hour="*/6", minute=20),
        "options": {"expires": 6 * 3600},
    },
    "remind-owners": {
        "task": "agents.remind_owners",
        "schedule": crontab(hour=7, minute=5),
        "options": {"expires": 12 * 3600},
    },
    "count-search-terms": {"task": "agents.count_terms", "schedule": 600.0, "options": {"expires": 600}},
}

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "apps.identity.auth.PersonBackend",
]
LOGIN_URL = "identity:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "identity:login"

# Counting by (account, address): nobody can lock somebody else out from another address. Over all addresses,
# and over all accounts, apps.identity.throttle slows guessing down.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# Of the sign-in form; by default axes looks for "email" and finds nobody.
AXES_USERNAME_FORM_FIELD = "username"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "apps.identity.views.locked_out"
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "apps.identity.addresses.address_of"
AUDITLOG_CID_GETTER = "apps.kit.request_id.current_request_id"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not PLAIN_HTTP
SESSION_COOKIE_NAME = "chancery_session" if PLAIN_HTTP else "__Host-chancery_session"
CSRF_COOKIE_NAME = "chancery_csrf" if PLAIN_HTTP else "__Host-chancery_csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_SSL_REDIRECT = not PLAIN_HTTP
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 0 if PLAIN_HTTP else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not PLAIN_HTTP
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "apps.kit.ui.views.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": [],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    },
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    name: [] for name in ("camera", "geolocation", "microphone", "payment", "usb")
}

STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if PLAIN_HTTP
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = PLAIN_HTTP

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.identity.api.authentication.ApiKeyAuthentication",
        "apps.identity.api.authentication.SessionActorAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.identity.api.permissions.RequiresPermission"],
    "DEFAULT_PAGINATION_CLASS": "apps.kit.rest.paging.CursorPage",
    "DEFAULT_FILTER_BACKENDS": ["apps.kit.rest.filtering.FilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.kit.rest.problems.problem_response",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.kit.rest.parsing.BoundedJSONParser"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": None,
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chancery",
    "DESCRIPTION": "The court of record for AI agents: registry, live oversight, certification, ledger.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["apps.identity.api.permissions.SignedIn"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.activity.api.openapi.add_events",
        "apps.oversight.api.openapi.add_decisions",
    ],
    "ENUM_NAME_OVERRIDES": ENUM_NAMES,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {name: {"level": "WARNING"} for name in ("axes", "httpx", "rust_sugiyama", "rust-sugiyama")},
}
