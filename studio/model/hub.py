"""Model files on the Hugging Face Hub: is it there, is it cached, fetch it. Knows nothing of what the files mean."""

from __future__ import annotations

import os
from pathlib import Path

from studio.errors import ModelError
from studio.model.progress import Progress, quiet, reporting_bar

PROBE_SECONDS = 5.0
MODEL_FILES = ["*.json", "*.jinja", "tokenizer*", "*.model", "merges.txt", "vocab.txt"]
WEIGHT_FILES = ["model*.safetensors", "*.safetensors.index.json"]
CODE_FILES = ["*.py"]  # only where the launch flag trusts remote code


def is_off() -> bool:
    """True where the environment forbids every call to the Hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def cached(repo_id: str, *, revision: str | None = None, weights: bool = True, code: bool = False) -> Path | None:
    """The folder of a model fetched before, whole; else None. Touches no network."""
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return snapshot(repo_id, revision=revision, weights=weights, code=code, offline=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def probe(repo_id: str, *, revision: str | None = None, timeout: float = PROBE_SECONDS) -> None:
    """Ask the Hub once, within seconds, whether it has this model and lets us read it. ModelError where not."""
    import httpx2  # what huggingface_hub 2 speaks HTTP with
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RevisionNotFoundError

    try:
        url = hf_hub_url(repo_id, "config.json", revision=revision)
        get_hf_file_metadata(url, token=get_token(), timeout=timeout)
    except GatedRepoError as error:
        raise ModelError(
            "{model} asks for a login. Accept its terms on its page on the Hub, then run `hf auth login`.",
            model=repo_id,
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError("{model} has no revision {revision}.", model=repo_id, revision=revision) from error
    except HFValidationError as error:
        raise ModelError("{model!r} is neither a folder here nor a model id (owner/name).", model=repo_id) from error
    except HfHubHTTPError as error:
        raise ModelError(
            "The Hugging Face Hub has no model {model} with a config.json that you may read, and there is no such "
            "folder here. Check the spelling (owner/name); a private model needs `hf auth login`.",
            model=repo_id,
        ) from error
    except (httpx2.HTTPError, OSError) as error:
        raise ModelError(
            "{model} is not on this machine, and the Hugging Face Hub does not answer ({reason}). Check the connection "
            "or set HF_ENDPOINT to a mirror; or choose a local folder, starter or smollm2.",
            model=repo_id,
            reason=(str(error).strip() or type(error).__name__).splitlines()[0][:160],
        ) from error


def fetch(repo_id: str, *, revision: str | None, weights: bool, code: bool, progress: Progress | None) -> Path:
    """A model's files, from the cache where it is whole, else from the Hub. ModelError within seconds where neither."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    found = cached(repo_id, revision=revision, weights=weights, code=code)
    if found:
        return found
    say = progress or quiet
    say(f"Asking the Hugging Face Hub for {repo_id}.", None)
    probe(repo_id, revision=revision)
    try:
        return snapshot(repo_id, say=say, revision=revision, weights=weights, code=code)
    except (httpx2.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            "Fetching {model} from the Hugging Face Hub broke off ({reason}). Try again: what is here already is kept.",
            model=repo_id,
            reason=(str(error).strip() or type(error).__name__).splitlines()[0][:160],
        ) from error


def snapshot(
    repo_id: str,
    *,
    say: Progress = quiet,
    revision: str | None = None,
    local_dir: Path | None = None,
    weights: bool = True,
    code: bool = False,
    offline: bool = False,
) -> Path:
    """The folder with a model's config, tokenizer and safetensors files: no pickles, no other formats."""
    from huggingface_hub import snapshot_download

    found = snapshot_download(
        repo_id,
        revision=revision,
        local_dir=local_dir,
        local_files_only=offline,
        allow_patterns=MODEL_FILES + (WEIGHT_FILES if weights else []) + (CODE_FILES if code else []),
        ignore_patterns=["*/*"],
        tqdm_class=reporting_bar(repo_id, say),
    )
    return Path(found)
