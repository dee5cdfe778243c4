# SPDX-License-Identifier: Apache-2.0
"""Serial ports before anything is said on them: what may be named, opened and listed (A17, A19)."""

import errno
import grp
import os

import pytest
import serial
from edge_lp.board import discover, session
from edge_lp.board.exchange import BoardError
from serial.tools import list_ports, list_ports_common


@pytest.mark.parametrize("baud", ["0", "49", "12000001", "2147483648", "9" * 5000])
def test_bauds_that_no_line_has_are_one_line_a17(baud):
    with pytest.raises(BoardError, match="expected 50 to 12000000") as e:
        session.parse_device(f"serial:/dev/ttyACM0@{baud}")
    assert len(str(e.value)) < 200


def test_a_port_that_may_not_be_opened_names_its_group_a17(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    port = tmp_path / "ttyACM0"
    port.touch()
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("dialout", "x", gid, [])))
    with pytest.raises(BoardError, match=r"group dialout: sudo usermod -a -G dialout \$USER"):
        session.Board(str(port))
    with pytest.raises(BoardError, match="edge-lp devices"):
        session.Board(str(tmp_path / "gone"))


@pytest.fixture
def link(monkeypatch, tmp_path):
    """A folder for emulators' links, and what makes one in it."""
    monkeypatch.setattr(discover, "links", lambda: tmp_path)

    def make(name):
        (tmp_path / name).symlink_to("/dev/null")
        return tmp_path / name

    return make


def test_links_of_dead_emulators_go_a19(link, monkeypatch):
    """Also where the process's number now belongs to another user, or is none."""
    mine, other = link(f"m4-{os.getpid()}-1"), link("m4-4242-2")
    bad = [link("m4-x-3"), link("odd"), link(f"m4-{10**30}-4")]

    def kill(pid, signal):
        if pid == 4242:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(pid, signal)

    real = os.kill
    monkeypatch.setattr(os, "kill", kill)
    assert discover._emulated() == [str(mine)]
    assert not any(p.is_symlink() for p in [other, *bad])


def test_ports_are_listed_without_opening_them_a19(link, monkeypatch):
    mine = link(f"m4-{os.getpid()}-1")
    monkeypatch.setattr(session, "_open", None)
    monkeypatch.setattr(
        list_ports, "comports", lambda: [list_ports_common.ListPortInfo("/dev/ttyS77")]
    )
    found = discover.ports()
    assert [p.device for p in found] == ["/dev/ttyS77", str(mine)]
