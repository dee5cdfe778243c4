# SPDX-License-Identifier: Apache-2.0
"""The data set's download against a local server that behaves, breaks off, lies and refuses, with a
small archive of the same shape."""

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile
from edge_lp.errors import EdgeLpError
from edge_lp_train import download


def archive(files):
    """name -> bytes as .tar.gz, entries named as in the official archive: ./yes/0a_nohash_0.wav"""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as z,
        tarfile.open(fileobj=z, mode="w") as tar,
    ):
        for name, data in files.items():
            entry = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            body = b"" if isinstance(data, tarfile.TarInfo) else data
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return out.getvalue()


def wav(rng, seconds=0.25):
    out = io.BytesIO()
    soundfile.write(
        out, rng.integers(-9000, 9000, int(16000 * seconds)).astype(np.int16), 16000, format="WAV"
    )
    return out.getvalue()


@pytest.fixture(scope="module")
def files():
    rng = np.random.default_rng(1)
    words = {
        f"./{w}/{i:08x}_nohash_{i}.wav": wav(rng) for w in ("yes", "no", "bed") for i in range(4)
    }
    return words | {
        "./_background_noise_/hum.wav": wav(rng, 1),
        "./README.md": b"Speech",
        "./testing_list.txt": b"yes/00000000_nohash_0.wav\n",
    }


class Server:
    """Serves one archive. `cuts`: bytes after which each answer breaks off, in turn; `statuses`:
    errors sent first, in turn."""

    def __init__(self, body, ranges=True):
        self.body, self.ranges, self.cuts, self.statuses, self.asked, self.sent = (
            body,
            ranges,
            [],
            [],
            [],
            0,
        )
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                wanted = self.headers.get("Range")
                server.asked.append(wanted)
                if server.statuses:
                    return self.send_error(server.statuses.pop(0))
                start = int(wanted[6:-1]) if wanted and server.ranges else 0
                if start >= len(server.body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(server.body)}")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(206 if wanted and server.ranges else 200)
                self.send_header("Content-Length", str(len(server.body) - start))
                self.end_headers()
                piece = server.body[
                    start : start + (server.cuts.pop(0) if server.cuts else len(server.body))
                ]
                self.wfile.write(piece)
                server.sent += len(piece)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/speech_commands_v0.02.tar.gz"
        threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0)
    servers = []

    def start(body, **kwargs):
        servers.append(Server(body, **kwargs))
        return servers[-1]

    yield start
    for s in servers:
        s.http.shutdown()
        s.http.server_close()


def get(server, dest):
    return download.speech_commands(dest, server.url, hashlib.sha256(server.body).hexdigest())


def assert_complete(dest, files):
    """Every file, byte for byte, and nothing left beside the folder."""
    assert {
        f"./{p.relative_to(dest)}": p.read_bytes() for p in dest.rglob("*") if p.is_file()
    } == files
    assert [p.name for p in dest.parent.iterdir()] == [dest.name]


def test_the_whole_way(serve, files, tmp_path, capfd):
    server = serve(archive(files))
    dest = tmp_path / "speech_commands"
    assert get(server, dest) == dest
    assert_complete(dest, files)
    # there already: nothing is fetched
    assert get(server, dest) == dest and server.asked == [None]
    out, err = capfd.readouterr()
    assert out == "" and "downloading" in err


def test_it_goes_on_where_it_broke_off(serve, files, tmp_path):
    server = serve(archive(files))
    server.cuts = [1000, 1, 5000]
    get(server, tmp_path / "new" / "data")
    assert_complete(tmp_path / "new" / "data", files)
    assert server.asked == [
        None,
        "bytes=1000-",
        "bytes=1001-",
        "bytes=6001-",
    ] and server.sent == len(server.body)


def test_a_later_call_goes_on(serve, files, tmp_path):
    server = serve(archive(files))
    server.cuts = [3000] + [0] * 4
    with pytest.raises(
        EdgeLpError, match="download broke off .*run the same command again, it goes on"
    ):
        get(server, tmp_path / "data")
    assert (tmp_path / "data.tar.gz.part").read_bytes() == server.body[:3000] and not (
        tmp_path / "data"
    ).exists()
    get(server, tmp_path / "data")
    assert_complete(tmp_path / "data", files)
    assert server.sent == len(server.body)


def test_all_of_it_was_there(serve, files, tmp_path):
    server = serve(archive(files))
    (tmp_path / "data.tar.gz.part").write_bytes(server.body)
    get(server, tmp_path / "data")
    assert_complete(tmp_path / "data", files)
    assert server.sent == 0


def test_a_part_longer_than_the_archive_starts_anew(serve, files, tmp_path):
    server = serve(archive(files))
    (tmp_path / "data.tar.gz.part").write_bytes(server.body + b"x")
    get(server, tmp_path / "data")
    assert_complete(tmp_path / "data", files)


def test_a_server_without_ranges(serve, files, tmp_path):
    server = serve(archive(files), ranges=False)
    server.cuts = [2000]
    get(server, tmp_path / "data")
    assert_complete(tmp_path / "data", files)
    assert server.sent == 2000 + len(server.body)


def test_a_server_that_recovers(serve, files, tmp_path):
    server = serve(archive(files))
    server.statuses = [503, 500, 502]
    get(server, tmp_path / "data")
    assert_complete(tmp_path / "data", files)


@pytest.mark.parametrize(
    "statuses, says",
    [
        ([404], "answers 404 Not Found; check the address"),
        ([403], "answers 403"),
        ([503] * 9, "broke off .*503"),
    ],
)
def test_a_server_that_refuses(serve, statuses, says, tmp_path):
    server = serve(b"never sent")
    server.statuses = list(statuses)
    with pytest.raises(EdgeLpError, match=says):
        get(server, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_nobody_listens(serve, tmp_path):
    server = serve(b"")
    server.http.server_close()
    with pytest.raises(EdgeLpError, match="download broke off .*[Cc]onnection refused"):
        get(server, tmp_path / "data")
    # for the fixture to close
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.http.serve_forever, daemon=True).start()


def test_a_wrong_checksum(serve, files, tmp_path):
    server = serve(archive(files))
    with pytest.raises(
        EdgeLpError,
        match=f"SHA-256 is {hashlib.sha256(server.body).hexdigest()}, expected {'0' * 64}",
    ):
        download.speech_commands(tmp_path / "data", server.url, "0" * 64)
    # the damaged archive is not resumed
    assert list(tmp_path.iterdir()) == []


def _link(name, target):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


@pytest.mark.parametrize(
    "name, data",
    [
        ("../evil.wav", b"x"),
        ("/edge-lp-evil.wav", b"x"),
        ("./yes/../../evil.wav", b"x"),
        ("./yes/link", _link("./yes/link", "/etc/passwd")),
        ("./up", _link("./up", "..")),
    ],
)
def test_an_archive_that_reaches_out(serve, files, name, data, tmp_path):
    server = serve(archive({**files, name: data}))
    home = tmp_path / "home"
    with pytest.raises(EdgeLpError, match="not a plain file inside it"):
        get(server, home / "data")
    assert [p.name for p in home.iterdir()] == ["data.tar.gz"] and [
        p.name for p in tmp_path.iterdir()
    ] == ["home"]


@pytest.mark.parametrize(
    "body", [b"not an archive at all" * 99, gzip.compress(b"nor is this a tar" * 99), None]
)
def test_an_archive_that_is_none(serve, files, body, tmp_path):
    server = serve(archive(files)[:-2000] if body is None else body)
    with pytest.raises(EdgeLpError, match="is not a readable .tar.gz"):
        get(server, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_with_something_else(serve, files, tmp_path):
    server = serve(archive(files))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("precious")
    with pytest.raises(EdgeLpError, match="exists and holds no recordings"):
        get(server, tmp_path / "data")
    assert (tmp_path / "data" / "thesis.txt").read_text() == "precious" and server.asked == []
    (tmp_path / "empty").mkdir()
    get(server, tmp_path / "empty")
    assert (tmp_path / "empty" / "README.md").exists()


def test_a_place_that_cannot_be_made(serve, files, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EdgeLpError, match="cannot write .*file"):
        get(serve(archive(files)), tmp_path / "file" / "data")


def test_a_full_disk(serve, files, tmp_path):
    """The kernel refuses to write past 8 KB: one line says so, and what was fetched stays for the
    next try."""
    server = serve(archive(files))
    code = """if True:
        import resource, sys
        from edge_lp.errors import EdgeLpError
        from edge_lp_train import download
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        try:
            download.speech_commands(*sys.argv[1:])
        except EdgeLpError as e:
            sys.exit(f"one line: {e}")"""
    sha256 = hashlib.sha256(server.body).hexdigest()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data"), server.url, sha256],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 1
        and "one line: cannot write" in done.stderr
        and "free some space" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert (tmp_path / "data.tar.gz.part").read_bytes() == server.body[:8192]
    get(server, tmp_path / "data")
    assert_complete(tmp_path / "data", files)
    assert "bytes=8192-" in server.asked


def test_the_official_address():
    assert (
        download.URL.startswith("https://")
        and download.URL.endswith("speech_commands_v0.02.tar.gz")
        and len(bytes.fromhex(download.SHA256)) == 32
    )
