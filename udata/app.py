"""One Flask app: its settings, its extensions, the connection to the database."""

from flask import Config as FlaskConfig
from flask import Flask

from udata.settings import Settings, home, load
from udata.store.connection import connect


class Config(FlaskConfig):
    """The settings of an app; `embedded` says that the embedded servers serve, as of `Settings`."""

    embedded = False


class App(Flask):
    """An app with such settings."""

    config_class = Config
    config: Config


def create_app(settings: Settings | None = None) -> App:
    """The app over `settings` (by default those of the process), with the database connected lazily.

    If no server is named, the embedded ones are started, and their addresses and secrets become settings.
    Raises ConfigurationError for a wrong setting, ServerError if the embedded servers cannot start.
    """
    settings = load() if settings is None else settings
    if settings.embedded:
        use_embedded(settings)
    app = App("udata")
    app.config.update(settings)
    app.config.embedded = settings.embedded
    # Last: by now the embedded servers' addresses are among the settings.
    connect(settings)
    return app


def use_embedded(settings: Settings) -> None:
    """Start the embedded servers if they do not run, and write their addresses and secrets into `settings`."""
    from udata.embedded import supervisor

    folder = home()
    endpoints = supervisor.ensure(folder)
    values = {
        **supervisor.secrets(folder),
        "MONGODB_HOST": endpoints.mongodb,
        "CELERY_BROKER_URL": endpoints.redis,
        "CACHE_REDIS_URL": endpoints.redis,
    }
    for name, value in values.items():
        # What somebody has set stays; only defaults give way.
        if settings.sources.get(name, "default") == "default":
            settings[name] = value
            settings.sources[name] = "embedded"
