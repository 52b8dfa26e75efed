"""What passes through the service is sent nowhere, whatever the environment says."""

from pathlib import Path

import pytest
from opentelemetry import trace

from keys.identity import AppRole, write_identity
from vault.app import create_app
from vault.settings import Settings


class _Provider(trace.NoOpTracerProvider):
    """A provider that somebody installed: to the framework, not the one that does nothing."""


def test_the_framework_exports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No variable and no global provider of OpenTelemetry makes the framework trace requests."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318")
    monkeypatch.setattr(trace, "get_tracer_provider", _Provider)
    write_identity(tmp_path / "audit.json", AppRole("role", "secret"))
    url = f"sqlite+aiosqlite:///{tmp_path / 'data.db'}"
    settings = Settings(data_url=url, vault_addr="http://127.0.0.1:1", identities=tmp_path)
    app = create_app(settings, ["audit"])
    assert not app._native_telemetry.enabled()
    assert app._telemetry["auto_configure"] is False
