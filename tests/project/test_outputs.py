# SPDX-License-Identifier: Apache-2.0
"""Outputs: complete or not there, and what is not a file of its own is written into (A1, A3).
Arrays from a file are measured before they are inflated (A22)."""

import os
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from edge_lp.errors import EdgeLpError
from edge_lp.files import Output, check_writable, read_arrays, write_file

DATA = bytes(range(256)) * 1000


def mode(path):
    return stat.filemode(os.lstat(path).st_mode)


def test_a_new_file_has_the_usual_mode(tmp_path):
    umask = os.umask(0o027)
    try:
        write_file(tmp_path / "x", DATA)
    finally:
        os.umask(umask)
    assert (tmp_path / "x").read_bytes() == DATA and mode(tmp_path / "x") == "-rw-r-----"
    assert os.listdir(tmp_path) == ["x"]


def test_a1_mode_and_links_are_kept(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "target").chmod(0o600)
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("new")
    write_file(tmp_path / "link", DATA)
    write_file(tmp_path / "dangling", b"x")
    assert (tmp_path / "target").read_bytes() == DATA and mode(tmp_path / "target") == "-rw-------"
    assert (tmp_path / "link").is_symlink() and (tmp_path / "dangling").is_symlink()
    assert (tmp_path / "new").read_bytes() == b"x"


def test_a1_a_fifo_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "f")
    check_writable(tmp_path / "f")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "f").read_bytes()))
    reader.start()
    write_file(tmp_path / "f", DATA)
    reader.join(10)
    assert read == [DATA] and mode(tmp_path / "f")[0] == "p" and os.listdir(tmp_path) == ["f"]


def test_a1_a_device_node_is_written_into(tmp_path):
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        (tmp_path / "null").write_bytes(b"x")
    except PermissionError:
        node, before = "/dev/null", os.lstat("/dev/null")
        if os.access("/dev", os.W_OK):
            pytest.skip("no device node can be made here, and the real one is not risked")
    else:
        node, before = tmp_path / "null", os.lstat(tmp_path / "null")
    write_file(node, DATA)
    check_writable(node)
    assert os.path.samestat(before, os.lstat(node))


def python(code, **kwargs):
    return subprocess.run([sys.executable, "-c", code], check=True, timeout=60, **kwargs).stdout


WRITE = "import sys; from edge_lp.files import write_file; print('first'); write_file({!r}, b'xyz')"


def test_a1_stdout(tmp_path):
    assert python(WRITE.format("-"), capture_output=True, cwd=tmp_path) == b"first\nxyz"
    # a link of our own: the system's is not risked
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    assert python(WRITE.format("stdout"), capture_output=True, cwd=tmp_path) == b"first\nxyz"
    assert sorted(os.listdir(tmp_path)) == ["stdout"] and (tmp_path / "stdout").is_symlink()
    write_file(tmp_path / "-", b"a file")
    assert (tmp_path / "-").read_bytes() == b"a file"


def test_a1_stdout_that_is_a_file_goes_on(tmp_path):
    """The shell's descriptor and the file stay one: what is printed before and after is kept."""
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    with open(tmp_path / "log", "ab") as log:
        log.write(b"begin ")
        log.flush()
        python(WRITE.format("stdout"), stdout=log, cwd=tmp_path)
        log.write(b" end")
    assert (tmp_path / "log").read_bytes() == b"begin first\nxyz end"


@pytest.mark.parametrize(
    "name, says",
    [
        ("", "not the name of a file"),
        ("folder/", "not the name of a file"),
        ("folder", "is a directory"),
        ("none/x", "no directory"),
        ("loop", "symbolic links"),
        ("x\0y", "null"),
        ("n" * 300, "too long"),
    ],
)
def test_bad_names(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    os.symlink("loop", "loop")
    for attempt in (lambda: write_file(name, DATA), lambda: check_writable(name)):
        with pytest.raises(EdgeLpError, match=f"(?s)cannot write.*{says}"):
            attempt()
    assert sorted(os.listdir()) == ["folder", "loop"]


def test_nothing_is_left_of_an_output_that_fails(tmp_path):
    (tmp_path / "x").write_text("old")
    with pytest.raises(KeyboardInterrupt), Output(tmp_path / "x") as out:
        out.write(DATA)
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old"


def test_a3_two_outputs_of_one_name(tmp_path):
    """Both are whole under names of their own, and a user's .part file is nobody's business."""
    (tmp_path / "x.wav.part").write_text("mine")
    a, b = Output(tmp_path / "x.wav"), Output(tmp_path / "x.wav")
    for _ in range(3):
        a.write(b"aaaa")
        b.write(b"bbbb")
    assert a.keep() == tmp_path / "x.wav" and b.keep() == tmp_path / "x-2.wav"
    assert (tmp_path / "x.wav").read_bytes() == b"a" * 12
    assert (tmp_path / "x-2.wav").read_bytes() == b"b" * 12
    assert sorted(os.listdir(tmp_path)) == ["x-2.wav", "x.wav", "x.wav.part"]
    assert (tmp_path / "x.wav.part").read_text() == "mine"
    c, d = Output(tmp_path / "x.wav"), Output(tmp_path / "x.wav")  # now the name is taken
    assert c.keep() == tmp_path / "x.wav" and d.keep() == tmp_path / "x-3.wav"


def test_a22_arrays(tmp_path):
    np.savez(tmp_path / "good.npz", a=np.arange(3), b=np.float32(2))
    found = read_arrays(tmp_path / "good.npz")
    assert found["a"].tolist() == [0, 1, 2] and found["b"] == 2


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z, z.open("a.npy", "w") as f:
        for _ in range(300):
            f.write(bytes(1 << 20))


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda p: p.write_bytes(b""), "not a readable"),
        (lambda p: p.write_bytes(b"PK\3\4 no zip"), "not a readable"),
        (lambda p: np.save(open(p, "wb"), np.arange(3)), "not a readable"),
        (lambda p: np.savez(open(p, "wb"), a=np.array([{}], object)), "not a readable"),
        (lambda p: zipfile.ZipFile(p, "w").writestr("a.txt", "x"), "not a readable"),
        (bomb, "expected at most"),
        (lambda p: p.mkdir(), "directory"),
        (lambda p: None, "No such file"),
    ],
    ids=["empty", "no zip", "plain array", "pickled", "text", "bomb", "folder", "none"],
)
def test_a22_no_arrays(tmp_path, make, says):
    make(tmp_path / "x.npz")
    with pytest.raises(EdgeLpError, match=says) as e:
        read_arrays(tmp_path / "x.npz")
    assert "\n" not in str(e.value)


def test_a_new_name_is_whole_from_its_first_moment(tmp_path, monkeypatch):
    """It was reserved by an empty file, which a process that is killed then leaves: a training that
    was stopped there did not go on."""
    real, opened = os.open, []
    monkeypatch.setattr(
        os, "open", lambda path, *a: opened.append(Path(path).name) or real(path, *a)
    )
    write_file(tmp_path / "state.json", b"[3]")
    assert len(opened) == 1 and opened[0].endswith(".part")
    assert os.listdir(tmp_path) == ["state.json"]
    assert (tmp_path / "state.json").read_bytes() == b"[3]"


def test_a_folder_without_links(tmp_path, monkeypatch):
    """As on FAT: what is there stays there as well."""

    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    a, b = Output(tmp_path / "x"), Output(tmp_path / "x")
    a.write(b"a"), b.write(b"b")
    assert a.keep() == tmp_path / "x" and b.keep() == tmp_path / "x-2"
    assert [(tmp_path / n).read_bytes() for n in ("x", "x-2")] == [b"a", b"b"]
    assert sorted(os.listdir(tmp_path)) == ["x", "x-2"]
