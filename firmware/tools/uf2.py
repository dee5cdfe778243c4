# SPDX-License-Identifier: Apache-2.0
"""An image as UF2, the file that the USB drive of an RP2040, an RP2350 or the boot loader of an
nRF52840 takes. Standard library only.

The RP2040's bootrom runs the first 256 bytes of flash if their last word is the CRC-32 (0x04c11db7,
from the left, from all ones, not inverted) of the 252 before it: it is filled in here. An RP2350
whose flash has a partition table takes a file for a family that the table moves only behind a block
of the absolute family, which no page of flash is: erratum RP2350-E10, as picotool does it."""

import argparse
import struct
import subprocess
import tempfile
from pathlib import Path

PAGE = 256
CHIPS = {  # where the image begins, and the family
    "rp2040": (0x10000000, 0xE48BFF56),
    "rp2350": (0x10000000, 0xE48BFF59),  # Arm, secure
    "nrf52840": (0x27000, 0xADA52840),  # behind the SoftDevice S140 7
}


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


def block(at, data, i, blocks, family, flags=0x2000):
    head = (0x0A324655, 0x9E5D5157, flags, at, PAGE, i, blocks, family)
    return struct.pack("<8I", *head) + data.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def uf2(image, chip="rp2040"):
    """Flash from its start -> blocks of 512 bytes, a page each."""
    if chip == "rp2040":
        image = image[: PAGE - 4] + struct.pack("<I", crc32(image[: PAGE - 4])) + image[PAGE:]
    image += bytes(-len(image) % PAGE)
    blocks = len(image) // PAGE
    flash, family = CHIPS[chip]
    if chip == "rp2350":  # the tag at its end: ignore this block
        ignored = b"\xef" * PAGE + struct.pack("<I", 0x9957E304)
        yield block(0x10FFFF00, ignored, 0, 2, 0xE48BFF57, flags=0xA000)
    for i in range(blocks):
        yield block(flash + PAGE * i, image[PAGE * i : PAGE * (i + 1)], i, blocks, family)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("elf")
    p.add_argument("--chip", required=True, choices=CHIPS)
    p.add_argument("--objcopy", required=True)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flat = Path(folder) / "image"
        subprocess.run([a.objcopy, "-O", "binary", a.elf, flat], check=True)
        image = flat.read_bytes()
    Path(a.elf).with_suffix(".uf2").write_bytes(b"".join(uf2(image, a.chip)))


if __name__ == "__main__":
    main()
