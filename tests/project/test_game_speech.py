# SPDX-License-Identifier: Apache-2.0
"""tools/game_speech.py on files made here in the games' formats."""

import base64
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import soundfile
from edge_lp.errors import EdgeLpError
from paths import ROOT, load

game = load(ROOT / "tools" / "game_speech.py")

UNPACKED = bytes(i * i // 7 % 251 for i in range(64)) * 20 + b"\x80" * 500
PACKED = base64.b85decode(  # UNPACKED, by RNC ProPack's own method 1
    "Qcgnw000K`00011#}>(Y00A5c0021w006-R0000$AP4~H0RHm<0s{pH2@4Jp6c`*JBq=U4IX^{9QdwYVaCm@"
    ";lAEQkxx>!c<nRFv874D8PF!kuhnA(a#nt8Z3>_~)h2ww&"
)


def sound(rate: int, seconds: float, seed: int) -> bytes:
    pcm = np.random.default_rng(seed).integers(-9000, 9000, int(rate * seconds)).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, pcm, rate, format="MP3")
    return file.getvalue()


def dialogue(key: int, sentences: dict[int, str]) -> bytes:
    body = bytes(20) + bytes(4) + key.to_bytes(2, "big") + bytes(20)
    for number, text in sentences.items():
        body += bytes(2) + number.to_bytes(2, "big") + bytes([len(text)]) + text.encode() + bytes(3)
    return body


def queen(tmp_path):
    files = {
        "BOB1.DOG": dialogue(7, {32: "Where are you going*03", 33: "I'll stop here.*02"}),
        "C1A.CUT": bytes(20) + b"\0\x01Nobody knows.\0",
        "070020J1.SB": sound(11025, 1, 1),  # its text has none of the words
        "070021J1.SB": sound(11025, 2, 2),  # "stop"
        "C1A01_1.SB": sound(11025, 3, 3),
        "JOE00011.SB": sound(11025, 4, 4),  # text unknown
    }
    head = b"QTBLCEM10\0\0\0\x01" + len(files).to_bytes(2, "big")
    at = len(head) + 21 * len(files)
    table = body = b""
    for name, data in files.items():
        place = (at + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        table += name.encode().ljust(12, b"\0") + b"\1" + place
        body += data
    path = tmp_path / "queen.1c"
    path.write_bytes(head + table + body)
    return path


def sky(tmp_path):
    speech = (np.arange(11025) % 200).astype(np.uint8).tobytes()
    resources = [(7, b"picture"), (50001, bytes(22) + speech), (50002, bytes(22) + PACKED)]
    index, disk = len(resources).to_bytes(4, "little"), b""
    for number, data in resources:
        disk += bytes(-len(disk) % 16)
        index += number.to_bytes(2, "little") + (len(disk) // 16 | 1 << 23).to_bytes(3, "little")
        index += len(data).to_bytes(3, "little")
        disk += data
    (tmp_path / "sky.dnr").write_bytes(index)
    (tmp_path / "sky.dsk").write_bytes(disk)
    return tmp_path / "sky.dnr", tmp_path / "sky.dsk", speech


def urquan(tmp_path):
    """Two lines of one character, in rows of 2, 3 and 1 s, and one whose rows have no times."""
    voice, content = tmp_path / "voice.uqm", tmp_path / "content.uqm"
    text = (
        "#(HELLO)\torz-000.ogg\nWe are Orz.\nGo away, human!\n\nSo much\n\n"
        "#(who_you)\nWho are you?\n\n#(BYE)\torz-001.ogg\nNo.\nGoodbye.\n"
    )
    with zipfile.ZipFile(content, "w") as z:
        z.writestr("base/comm/orz/orz.txt", text.replace("\n", "\r\n"))
    rng = np.random.default_rng(4)
    with zipfile.ZipFile(voice, "w") as z:
        z.writestr("3dovoice/orz/orz.ts", "#(HELLO) 2000,3000\n#(BYE) \n")
        for name, seconds in (("000", 6), ("001", 2), ("002", 2)):
            file = io.BytesIO()
            pcm = rng.integers(-9000, 9000, 11025 * seconds).astype(np.int16)
            soundfile.write(file, pcm, 11025, format="OGG", subtype="VORBIS")
            z.writestr(f"3dovoice/orz/orz-{name}.ogg", file.getvalue())
    return voice, content


def test_urquan_lines_have_their_texts_and_lose_rows_with_a_keyword(tmp_path):
    paths = urquan(tmp_path)
    whole = list(game.urquan_lines(*paths, set()))
    assert [(name, text) for name, text, *_ in whole] == [
        ("orz-000", "We are Orz. Go away, human! So much"),
        ("orz-001", "No. Goodbye."),
    ]
    parts = list(game.urquan_lines(*paths, {"go", "no"}))
    assert [(name, text) for name, text, *_ in parts] == [("orz-000-0", "We are Orz.")]
    (_, _, pcm, rate) = parts[0]
    assert len(pcm) == 2 * rate - int(game.GUARD * rate)
    assert pcm.tolist() == whole[0][2][: len(pcm)].tolist()
    assert [name for name, *_ in game.urquan_lines(*paths, {"we", "are"})] == [
        "orz-000-0",
        "orz-001",
    ]


def test_urquan_is_written_with_a_table_that_measures_read(tmp_path):
    from edge_lp.measure.transcripts import speaker_of, text_of

    out = tmp_path / "speech"
    tool = [sys.executable, ROOT / "tools/game_speech.py", "urquan", *urquan(tmp_path)]
    done = subprocess.run([*tool, "--out", out], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("2 lines, "), done.stderr
    assert text_of(out / "orz-001.flac") == "No. Goodbye."
    assert speaker_of(out / "orz-000.flac") == "orz"
    assert soundfile.info(out / "orz-000.flac").duration == pytest.approx(6, abs=0.01)

    tool[-2:] = [tmp_path / "content.uqm", tmp_path / "content.uqm"]
    done = subprocess.run([*tool, "--out", out], capture_output=True, text=True)
    assert done.returncode == 2 and "no .ogg files" in done.stderr
    (tmp_path / "other").write_bytes(b"nothing")
    tool[-1] = tmp_path / "other"
    done = subprocess.run([*tool, "--out", out], capture_output=True, text=True)
    assert done.returncode == 2 and "zip" in done.stderr and "Traceback" not in done.stderr


def test_packed_speech_is_unpacked():
    assert game.unpack(PACKED) == UNPACKED


@pytest.mark.parametrize("damage", [b"RNC\2" + PACKED[4:], PACKED[:-40], b"RNC"])
def test_damaged_packed_speech_is_refused(damage):
    with pytest.raises(EdgeLpError, match="packed speech"):
        game.unpack(damage)


def test_lines_with_a_keyword_and_of_unknown_text_are_left_out(tmp_path):
    lines = list(game.queen_lines(queen(tmp_path), {"stop"}))
    assert [round(len(pcm) / rate) for pcm, rate in lines] == [1, 3]
    lines = list(game.queen_lines(tmp_path / "queen.1c", {"nobody", "where"}))
    assert [round(len(pcm) / rate) for pcm, rate in lines] == [2]


def test_sky_has_speech_packed_or_not(tmp_path):
    index, disk, speech = sky(tmp_path)
    (plain, rate), (packed, _) = game.sky_lines(index, disk)
    assert rate == 11025
    assert plain.tolist() == [(b - 128) * 256 for b in speech]
    assert packed.tolist() == [(b - 128) * 256 for b in UNPACKED]


def test_files_cut_short_are_told(tmp_path):
    path = queen(tmp_path)
    whole = path.read_bytes()
    for size in (40, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(EdgeLpError, match="cut short"):
            list(game.queen_lines(path, set()))
    index, disk, _ = sky(tmp_path)
    disk.write_bytes(disk.read_bytes()[:-1])
    with pytest.raises(EdgeLpError, match="cut short"):
        list(game.sky_lines(index, disk))


def test_command_writes_recordings_at_16_khz(tmp_path):
    index, disk, _ = sky(tmp_path)
    out = tmp_path / "speech"
    tool = [sys.executable, ROOT / "tools/game_speech.py"]
    done = subprocess.run([*tool, "sky", index, disk, "--out", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 lines" in done.stdout  # the packed one is shorter than a fifth of a second
    (file,) = out.iterdir()
    assert soundfile.info(file).samplerate == 16000
    assert 1.05 <= soundfile.info(file).duration <= 1.36
    longer = [*tool, "sky", index, disk, "--out", out, "--shortest", "1.5"]
    done = subprocess.run(longer, capture_output=True, text=True)
    assert done.stdout.startswith("0 lines")
    done = subprocess.run([*tool, "queen", disk, "--out", out], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "QTBL" in done.stderr
