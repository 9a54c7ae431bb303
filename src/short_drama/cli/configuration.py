"""The settings as a command reads them."""

from typing import Any

from short_drama.settings import Settings, load


def read_settings(**overrides: Any) -> Settings:
    """Raises InvalidRequest."""
    return load(overrides)


def set_up_logging(settings: Settings, name: str) -> None:
    """Of this process, for good. `name`: of the component that it is."""
    from short_drama.logs.configure import LogOptions, configure

    configure(
        LogOptions(
            component=name,
            level=settings.log_level,
            form=settings.log_format,
            folder=settings.logs_dir,
            secrets=settings.hidden_values,
        )
    )
