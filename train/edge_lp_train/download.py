# SPDX-License-Identifier: Apache-2.0
"""Speech Commands v2 (Warden 2018, CC BY 4.0; 2.3 GB) from its official place: resumed where it
broke off, checked, unpacked whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import IO

from edge_lp.errors import EdgeLpError
from edge_lp.runtime import version
from edge_lp.text import console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

URL = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
SHA256 = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"
_CHUNK, _TIMEOUT = 1 << 18, 30  # bytes; seconds without one
# connections in a row that bring nothing; seconds to wait after the first of them
_TRIES, _PAUSE = 4, 2.0


def speech_commands(dest: str | Path, url: str = URL, sha256: str = SHA256) -> Path:
    """Fetches the archive at url and unpacks it as the folder dest; a folder that is there already
    is taken as it is. Returns dest.

    Until it is complete, the archive waits beside dest as DEST.tar.gz.part; a later call goes on
    from there. Progress goes to stderr. EdgeLpError for a refusing or breaking server, a wrong
    checksum, an unsafe archive, and a disk that is full or read-only.
    """
    dest = Path(dest).absolute()
    if dest.is_dir() and any(dest.glob("*/*.wav")):
        return dest
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise EdgeLpError(
            f"{dest} exists and holds no recordings (expected WORD/*.wav); choose another folder, "
            "or an empty one"
        )
    part, archive = (dest.with_name(dest.name + suffix) for suffix in (".tar.gz.part", ".tar.gz"))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        with Progress(*columns, console=console(stderr=True)) as progress:
            if not archive.exists():
                _fetch(url, part, progress)
                _check(part, sha256, progress)
                part.rename(archive)
            _unpack(archive, dest, progress)
        archive.unlink()
    except OSError as e:
        raise EdgeLpError(
            f"cannot write {e.filename or dest}: {e.strerror or e}; free some space (5 GB in all) "
            "or choose another folder"
        ) from e
    return dest


def _fetch(url: str, part: Path, progress: Progress) -> None:
    """Appends to part until it is as long as the server says."""
    bar = progress.add_task("downloading", total=None)
    idle, why = 0, ""
    while idle < _TRIES:
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(
            url,
            headers={
                "User-Agent": f"edge-lp/{version()}",
                **({"Range": f"bytes={have}-"} if have else {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                # a server without Range sends all of it again
                start = have if answer.status == 206 else 0
                length = answer.headers.get("Content-Length")
                total = start + int(length) if length else None
                progress.update(bar, total=total, completed=start)
                with open(part, "r+b" if start else "wb") as out:
                    out.seek(start)
                    if _copy(answer, out, progress, bar) == total or total is None:
                        return
            why = "the connection closed early"
        except urllib.error.HTTPError as e:
            if e.code == 416 and e.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it was here
            if e.code == 416:
                # longer than the archive: not a part of it
                part.unlink()
            elif e.code < 500:
                raise EdgeLpError(
                    f"{url}: the server answers {e.code} {e.reason}; check the address"
                ) from None
            why = f"the server answers {e.code} {e.reason}"
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ssl.SSLError,
            TimeoutError,
            ConnectionError,
        ) as e:
            why = str(getattr(e, "reason", "") or e)
        idle = 0 if part.exists() and part.stat().st_size > have else idle + 1
        time.sleep(_PAUSE * idle)
    raise EdgeLpError(
        f"{url}: download broke off ({why}); run the same command again, it goes on where it "
        "stopped"
    )


def _copy(source: IO[bytes], out: IO[bytes], progress: Progress, bar: int) -> int:
    """Copies to the end of source; the position reached in out. What was written stays written if
    the connection breaks."""
    while chunk := source.read(_CHUNK):
        out.write(chunk)
        progress.advance(bar, len(chunk))  # type: ignore[arg-type]
    return out.tell()


def _check(part: Path, sha256: str, progress: Progress) -> None:
    digest = hashlib.sha256()
    with progress.open(part, "rb", description="checking") as f:
        while chunk := f.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        part.unlink()
        raise EdgeLpError(
            f"the archive's SHA-256 is {digest.hexdigest()}, expected {sha256}; the damaged "
            "download was removed, "
            "run the command again"
        )


def _unpack(archive: Path, dest: Path, progress: Progress) -> None:
    """Into a temporary folder beside dest, which is then renamed. Only plain files below that
    folder; links, devices and ways out are refused."""
    folder = dest.with_name(dest.name + ".unpacking")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        with (
            progress.open(archive, "rb", description="unpacking") as packed,
            tarfile.open(fileobj=packed, mode="r|gz") as tar,
        ):
            for member in tar:
                path = PurePosixPath(member.name)
                if (
                    path.is_absolute()
                    or ".." in path.parts
                    or not (member.isfile() or member.isdir())
                ):
                    raise EdgeLpError(
                        f"{archive} holds {member.name!r}, which is not a plain file inside it; "
                        "the archive is not to be trusted, delete it"
                    )
                source = tar.extractfile(member)
                if source is not None:
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    with open(folder / path, "wb") as out:
                        shutil.copyfileobj(source, out)
        folder.replace(dest)
    except (tarfile.TarError, EOFError, ValueError) as e:
        raise EdgeLpError(
            f"{archive} is not a readable .tar.gz ({e}); delete it and run the command again"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
