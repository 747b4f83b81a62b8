"""A name leads to a folder, or to one sentence within seconds."""

import json
import os
import subprocess
import sys
import time

import pytest
from small_hub import serve

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.load import needs_download, resolve
from studio.settings import ASSETS, ROOT, Settings


def where(name, settings, **options):
    return resolve(ModelConfig(model_name_or_path=name), settings, **options)


def test_names_with_a_meaning_of_their_own(settings):
    assert where("starter", settings) == str(ASSETS / "starter")
    assert needs_download(ModelConfig(), settings) is None
    assert "93 MB" in needs_download(ModelConfig(model_name_or_path="smollm2"), settings)
    assert "Hub" in needs_download(ModelConfig(model_name_or_path="nobody/nothing"), settings)


def test_folders(folder, settings, monkeypatch):
    assert where(str(folder), settings) == str(folder.resolve())
    monkeypatch.chdir(folder.parent)
    assert where(folder.name, settings) == str(folder.resolve())
    assert where(f"./{folder.name}", settings) == str(folder.resolve())


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nothing", "a/b/c", "~/no such folder", "a\0b", "x" * 5000])
def test_names_that_lead_nowhere(settings, name):
    with pytest.raises(ModelError):
        where(name, settings)


def test_a_file_is_no_folder(folder, settings):
    with pytest.raises(ModelError, match="is a file"):
        where(str(folder / "config.json"), settings)


@pytest.mark.parametrize("name", ["/etc", "../..", "~", "a/b/c", "..\\x"])
def test_a_space_opens_no_paths(tmp_path, name):
    space = Settings(mode="space", workspace=tmp_path, cache=tmp_path)
    with pytest.raises(ModelError, match="Space"):
        where(name, space)


def test_offline_fetches_nothing(settings):
    for name in ("smollm2", "nobody/nothing"):
        with pytest.raises(ModelError, match="not been fetched"):
            where(name, settings, offline=True)


SCRIPT = """
import json, sys
from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.load import load_model, needs_download
from studio.model.memory import describe
from studio.settings import read_settings
settings, seen = read_settings(), []
config = ModelConfig(model_name_or_path="someone/tiny")
out = {"before": needs_download(config, settings)}
out["parameters"] = describe(config, settings).parameters
out["between"] = needs_download(config, settings)
out["path"] = load_model(config, settings, progress=lambda *at: seen.append(at)).path
out["after"] = needs_download(config, settings)
out["fractions"] = [fraction for _, fraction in seen if fraction is not None]
try:
    load_model(ModelConfig(model_name_or_path="someone/else"), settings)
except ModelError as error:
    out["unknown"] = str(error)
print(json.dumps(out))
"""


def run(script, tmp_path, **environment):
    values = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "TUNEFORK_CACHE": str(tmp_path / "cache"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=values, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_hub_model_by_way_of_a_mirror(folder, tmp_path):
    (folder / "pytorch_model.bin").write_bytes(b"a pickle, for all we know")
    (folder / "code.py").write_text("raise SystemExit")
    with serve("someone/tiny", folder) as (address, asked):
        out = run(SCRIPT, tmp_path, HF_ENDPOINT=address)
    assert out["before"] and out["between"] and out["after"] is None
    assert out["parameters"] > 1_000_000
    assert "someone/else" in out["unknown"]
    assert out["fractions"][-1] == 1.0
    described = asked[: next(i for i, one in enumerate(asked) if "model.safetensors" in one)]
    assert any("tokenizer_config.json" in one for one in described), "config and tokenizer come first, alone"
    assert not any(name in one for one in asked for name in ("pytorch_model.bin", "code.py"))


UNREACHABLE = """
import json, time
from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.load import resolve
from studio.settings import read_settings
import huggingface_hub
started = time.perf_counter()
try:
    resolve(ModelConfig(model_name_or_path="someone/tiny"), read_settings())
except ModelError as error:
    print(json.dumps({"sentence": str(error), "seconds": time.perf_counter() - started}))
"""


@pytest.mark.parametrize("environment", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_no_network_is_said_within_seconds(tmp_path, environment):
    started = time.perf_counter()
    out = run(UNREACHABLE, tmp_path, **environment)
    assert "does not answer" in out["sentence"]
    assert out["seconds"] < 8
    assert time.perf_counter() - started < 60
