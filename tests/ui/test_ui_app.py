from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from studio.errors import ConfigError
from studio.services import build_services
from studio.settings import Settings
from studio.ui import app


def ask(url: str, *, data: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body); nothing is retried or redirected."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def test_the_page_is_served_with_its_head_and_guards(served: str) -> None:
    status, headers, body = ask(f"{served}/")
    text = body.decode()
    assert status == 200
    assert text.index("window.TUNEFORK") < text.index("window.gradio_config")  # before Gradio's own script
    assert (
        headers["x-content-type-options"] == "nosniff"
        and "frame-ancestors 'none'" in headers["content-security-policy"]
    )


def test_other_hosts_and_other_sites_are_refused(served: str) -> None:
    assert ask(f"{served}/", Host="evil.example")[0] == 400
    port = served.rsplit(":", 1)[1]
    for path in ("upload", "component_server", "queue/join", "run/predict"):
        for origin in ("https://evil.example", "null", f"http://localhost.evil.example:{port}"):
            assert ask(f"{served}/gradio_api/{path}", data=b"{}", Origin=origin)[0] == 403, (path, origin)
        assert ask(f"{served}/gradio_api/{path}", data=b"{}", Sec_Fetch_Site="cross-site")[0] == 403
        assert ask(f"{served}/gradio_api/{path}", data=b"{}", Origin=served)[0] != 403


def test_an_upload_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LARGEST_UPLOAD", 1000)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # the process's: it is given back afterwards
    services = build_services(Settings(mode="local", workspace=tmp_path / "workspace", cache=tmp_path / "cache"))
    blocks = app.build_app(services)
    try:
        url = app.launch(blocks, services.settings).rstrip("/") + "/gradio_api/upload"
        sent = {"content_type": "multipart/form-data; boundary=b"}
        head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="rows.jsonl"\r\n\r\n'
        status, _, body = ask(url, data=head + b"x" * 1001 + b"\r\n--b--\r\n", **sent)
        assert status == 413 and body == b"File size exceeded maximum allowed size of 1000 bytes."
        assert not list((tmp_path / "workspace").rglob("*.jsonl"))
        assert ask(url, data=head + b"x" * 1000 + b"\r\n--b--\r\n", **sent)[0] == 200
    finally:
        services.worker.shutdown()
        blocks.close()


def test_nothing_is_sent_to_others_and_no_history_is_kept(served: str) -> None:
    _, _, body = ask(f"{served}/config")
    config = json.loads(body)
    assert config["analytics_enabled"] is False and config["run_history"] is False and config["footer_links"] == []
    assert ask(f"{served}/monitoring")[0] in (403, 404)


def test_the_colours_have_contrast(served: str) -> None:
    css = (app.ASSETS / "theme.css").read_text(encoding="utf-8")
    blocks = {"light": css[css.index(":root") : css.index(".dark")], "dark": css[css.index(".dark") :]}
    for name, block in blocks.items():
        colours = dict(re.findall(r"--tf-([\w-]+): (#[0-9a-f]{6})", block))
        for ink in ("ink", "dim", "pine", "base", "amber", "red"):
            for ground in ("ground", "card"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (name, ink, ground)
        for ink, tint in (
            ("pine", "pine-tint"),
            ("ink", "soft"),
            ("dim", "soft"),
            ("red", "red-tint"),
            ("on-pine", "pine"),
        ):
            assert contrast(colours[ink], colours[tint]) >= 4.5, (name, ink, tint)


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} is in use.*--port"):
            app.refuse_taken_port("127.0.0.1", port)
    assert app.FIRST_PORT <= app.free_port("127.0.0.1") < app.FIRST_PORT + app.PORTS


@pytest.mark.parametrize(("mode", "host", "share"), [("shared", "0.0.0.0", False), ("shared", "127.0.0.1", True)])
def test_others_must_log_in(tmp_path: Path, mode: str, host: str, share: bool) -> None:
    settings = Settings(mode=mode, workspace=tmp_path, cache=tmp_path, host=host)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="--auth"):
        app.demand_login(settings, share=share, auth=None)
    app.demand_login(settings, share=share, auth=("ada", "secret"))
    app.demand_login(Settings(mode="space", workspace=tmp_path, cache=tmp_path, host=host), share=False, auth=None)
