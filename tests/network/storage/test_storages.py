"""How a portal's settings name its storages."""

from pathlib import Path
from typing import Any

import pytest

from udata.errors import ConfigurationError, UnknownName
from udata.masking import masked
from udata.network.storage.local import Local
from udata.network.storage.s3 import S3
from udata.network.storage.storages import is_configured, storage
from udata.settings import load


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ({"FS_ROOT": "/srv/fs"}, "/srv/fs/avatars"),
        ({"FS_ROOT": Path("/srv/fs")}, "/srv/fs/avatars"),
        ({"FS_LOCAL_ROOT": "/srv/local", "FS_ROOT": "/srv/fs"}, "/srv/local/avatars"),
        ({"AVATARS_FS_ROOT": "/srv/own", "FS_ROOT": "/srv/fs"}, "/srv/own"),
        ({"FS_BACKEND": "s3", "AVATARS_FS_BACKEND": "local", "AVATARS_FS_ROOT": "/srv/own"}, "/srv/own"),
        ({"IMAGES_FS_ROOT": "/srv/own", "FS_ROOT": "/srv/fs"}, "/srv/fs/avatars"),
    ],
)
def test_where_a_folder_is(settings: dict[str, Any], folder: str) -> None:
    found = storage(settings, "avatars")
    assert isinstance(found, Local)
    assert found.root == Path(folder)


def test_where_a_bucket_is() -> None:
    common = {"FS_BACKEND": "s3", "FS_S3_ENDPOINT": "http://s3.example.org", "FS_S3_REGION": "fr"}
    assert isinstance(storage(common, "avatars"), S3)
    assert storage(common, "avatars").place == "the bucket avatars at http://s3.example.org"
    own = {"AVATARS_FS_BUCKET_NAME": "faces", "AVATARS_FS_ENDPOINT": "http://own.example.org"}
    assert storage({**common, **own}, "avatars").place == "the bucket faces at http://own.example.org"
    assert storage({**common, **own}, "images").place == "the bucket images at http://s3.example.org"


def test_what_is_not_said_or_not_known_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="set FS_ROOT, or AVATARS_FS_ROOT"):
        storage({}, "avatars")
    with pytest.raises(ConfigurationError, match="'swift'"):
        storage({"FS_BACKEND": "swift"}, "avatars")
    with pytest.raises(ConfigurationError, match="no path"):
        storage({"FS_ROOT": 7}, "avatars")
    with pytest.raises(UnknownName, match="did you mean avatars"):
        storage({"FS_ROOT": "/srv"}, "avatar")
    assert not is_configured({}, "avatars")
    assert is_configured({"FS_ROOT": "/srv"}, "avatars")
    assert is_configured({"FS_BACKEND": "s3"}, "avatars")


def test_the_environment_may_name_them_too_and_keys_are_hidden() -> None:
    environ = {"UDATA_AVATARS_FS_ROOT": "/srv/own", "UDATA_FS_S3_SECRET_KEY": "s", "UDATA_IMAGES_FS_SECRET_KEY": "s"}
    settings = load(environ)
    assert settings.warnings == []
    assert settings["AVATARS_FS_ROOT"] == "/srv/own"
    assert masked("IMAGES_FS_SECRET_KEY", settings["IMAGES_FS_SECRET_KEY"]) == "********"
    assert load({"UDATA_AVATAR_FS_ROOT": "/srv"}).warnings
