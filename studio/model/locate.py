"""Where a model's files are on this machine, fetching them where they are not. Knows nothing of what is in them."""

from __future__ import annotations

from pathlib import Path

from studio.config import ModelConfig
from studio.config.model import SMOLLM2, STARTER
from studio.errors import ModelError
from studio.model import fetch, hub
from studio.model.progress import Progress
from studio.settings import ASSETS, Settings


def resolve(
    config: ModelConfig,
    settings: Settings,
    *,
    progress: Progress | None = None,
    offline: bool = False,
    weights: bool = True,
) -> str:
    """The folder on this machine that holds the model, fetched where it must be (and may be: not `offline`)."""
    name = config.model_name_or_path
    if name == STARTER:
        return str(ASSETS / "starter")
    if name == SMOLLM2:
        found = fetch.folder_of(settings)
        if found is None and offline:
            raise ModelError("{model} has not been fetched yet.", model=name)
        return str(found or fetch.fetch_smollm2(settings, progress=progress))
    local = local_folder(name, settings)
    if local is not None:
        return str(local)
    if offline:
        cached = hub.cached(name, revision=config.revision, weights=weights)
        if cached is None:
            raise ModelError("{model} has not been fetched yet.", model=name)
        return str(cached)
    code = settings.trust_remote_code
    return str(hub.fetch(name, revision=config.revision, weights=weights, code=code, progress=progress))


def folder_here(config: ModelConfig, settings: Settings) -> Path | None:
    """The model's folder where all of it is on this machine; None where it would be fetched. Touches no network."""
    return None if needs_download(config, settings) else Path(resolve(config, settings, offline=True))


def local_folder(name: str, settings: Settings) -> Path | None:
    """The folder that `name` means, None where it can only be a Hub id; a sentence where neither fits."""
    spelled_as_path = (
        name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_absolute()
    )
    if not settings.allows_local_paths:
        if spelled_as_path:
            raise ModelError("{model} is a path, which a public Space does not open. Set a Hub id.", model=name)
        return None
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return path.resolve()
        exists = path.exists()
    except (OSError, ValueError) as error:  # a name too long, or with a null byte in it
        raise ModelError("{model!r} is neither a folder here nor a model id (owner/name).", model=name[:80]) from error
    if exists:
        raise ModelError("{model} is a file. Set the folder that holds config.json and model.safetensors.", model=name)
    if spelled_as_path:
        raise ModelError(
            "There is no folder {model}. Set model.model_name_or_path to a folder that exists, a Hub id, "
            "starter or smollm2.",
            model=name,
        )
    return None


def needs_download(config: ModelConfig, settings: Settings) -> str | None:
    """One sentence on what would be fetched; None when everything is here. Touches no network."""
    name = config.model_name_or_path
    if name == STARTER or (name == SMOLLM2 and fetch.folder_of(settings)):
        return None
    if name == SMOLLM2:
        return "SmolLM2-135M-Instruct will be fetched once: 93 MB over the network, 540 MB in the cache."
    if local_folder(name, settings) is not None or hub.cached(name, revision=config.revision):
        return None
    return f"{name} will be fetched from the Hugging Face Hub."
