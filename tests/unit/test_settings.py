"""Settings: the environment read once, or no start at all."""

import pytest

from vault.settings import PLANE_URLS, SettingsError, read_settings

LEAST = {
    "STRONGROOM_DATA_URL": "postgresql+asyncpg://all@db/data",
    "STRONGROOM_VAULT_ADDR": "https://vault.internal:8200",
    "STRONGROOM_IDENTITIES": "/etc/strongroom/identities",
}


def test_a_plane_goes_to_the_database_under_its_own_url():
    """STRONGROOM_<PLANE>_DATA_URL and _KEYSTORE_URL go before the URLs of all planes, for that plane only."""
    own = {
        "STRONGROOM_KEYSTORE_URL": "postgresql+asyncpg://all@db/keystore",
        "STRONGROOM_REVEAL_DATA_URL": "postgresql+asyncpg://reveal@db/data",
        "STRONGROOM_INGEST_KEYSTORE_URL": "postgresql+asyncpg://ingest@db/keystore",
    }
    settings = read_settings(LEAST | own)
    assert settings.data_url_of("reveal") == own["STRONGROOM_REVEAL_DATA_URL"]
    assert settings.data_url_of("ingest") == LEAST["STRONGROOM_DATA_URL"]
    assert settings.keystore_url_of("ingest") == own["STRONGROOM_INGEST_KEYSTORE_URL"]
    assert settings.keystore_url_of("reveal") == own["STRONGROOM_KEYSTORE_URL"]


def test_a_plane_that_needs_keys_does_not_start_without_a_keystore():
    """A plane that was told no keystore refuses, naming the setting."""
    with pytest.raises(SettingsError, match="STRONGROOM_KEYSTORE_URL is missing"):
        read_settings(LEAST).keystore_url_of("office")


@pytest.mark.parametrize(
    "name", ["CONTROL_KEYSTORE_URL", "AUDIT_KEYSTORE_URL", "SEALER_DATA_URL", "DATA_ULR"]
)
def test_a_setting_that_does_not_exist_stops_the_start(name):
    """A misspelt setting, or a keystore for a plane that must not have one, is refused by name."""
    with pytest.raises(SettingsError, match=f"STRONGROOM_{name} is not a setting"):
        read_settings(LEAST | {f"STRONGROOM_{name}": "x"})


@pytest.mark.parametrize("name", sorted(LEAST))
def test_a_missing_setting_stops_the_start(name):
    """Without a database, a key server or identities nothing starts."""
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        read_settings({other: value for other, value in LEAST.items() if other != name})


def test_settings_do_not_print_the_passwords_in_their_urls():
    """The repr of settings holds no database URL: each may hold a password."""
    urls = {f"STRONGROOM_{name.upper()}": f"postgresql+asyncpg://u:hunter2@db/{name}" for name in PLANE_URLS}
    urls |= {f"STRONGROOM_{name}_URL": "postgresql+asyncpg://u:hunter2@db/d" for name in ("DATA", "KEYSTORE")}
    assert "hunter2" not in repr(read_settings(LEAST | urls))
