"""Debug images: which files the code of a stack trace came from."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize.fields import (
    ADDRESS,
    INT,
    UUID,
    Field,
    anything,
    as_object,
    clean_object,
    container,
    text,
)
from dictamesh_sentry.processing.normalize.meta import INVALID_DATA, LIMIT_RULE, Meta, Path

MAX_IMAGES = 3000
_NATIVE = ("macho", "elf", "pe", "pe_dotnet", "wasm", "symbolic")
_ID_IS_ENOUGH = {"proguard": "uuid", "sourcemap": "debug_id", "jvm": "debug_id"}
_IMAGE: dict[str, Field] = {
    "type": text(32),
    "debug_id": text(64),
    "debug_file": text(1024),
    "debug_checksum": text(128),
    "code_id": text(128),
    "code_file": text(1024),
    "image_addr": ADDRESS,
    "image_vmaddr": ADDRESS,
    "image_size": INT,
    "arch": text(32),
    "uuid": UUID,
    "name": text(1024),
    "cpu_type": INT,
    "cpu_subtype": INT,
    "features": anything(),
    "checksum": text(128),
}
_DEBUG_META: dict[str, Field] = {
    "sdk_info": container(dict, 1024, 3, "an object"),
    "images": container(list, 1 << 30, 8, "a list"),
}


def normalize_debug_meta(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``debug_meta`` into form; images of an unknown type go, with an error."""
    path: Path = ("debug_meta",)
    debug_meta = as_object(event.pop("debug_meta", None), path, meta)
    if not debug_meta:
        return
    clean_object(debug_meta, _DEBUG_META, path, meta)
    images = debug_meta.pop("images", None)
    if images:
        if len(images) > MAX_IMAGES:
            meta.remark((*path, "images"), [LIMIT_RULE, "x"], len(images))
        kept = [
            image
            for index, raw in enumerate(images[:MAX_IMAGES])
            if (image := _image(raw, (*path, "images", index), meta)) is not None
        ]
        if kept:
            debug_meta["images"] = kept
    if debug_meta:
        event["debug_meta"] = debug_meta


def _image(raw: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    image = as_object(raw, path, meta)
    if not image:
        return None
    if image.get("type") == "apple":
        image["type"] = "macho"
    kind = image.get("type")
    if type(kind) is not str or (kind not in _NATIVE and kind not in _ID_IS_ENOUGH):
        meta.error(path, INVALID_DATA, kind, reason="unsupported debug image type")
        return None
    clean_object(image, _IMAGE, path, meta)
    required = _ID_IS_ENOUGH.get(kind)
    if required and not image.get(required):
        meta.error(path, INVALID_DATA, reason=f"missing {required}")
        return None
    return image
