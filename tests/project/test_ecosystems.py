# SPDX-License-Identifier: Apache-2.0
"""The manifests of other build systems, as far as they can be checked without them: fields, file
lists, and the C under their flags. Only CMake is really built here; docs/board.md says so."""

import json
import re
import shutil
import subprocess

import pytest
from edge_lp.model.carray import to_c
from edge_lp.model.find import read_model
from paths import ROOT

SOURCES = sorted(p.name for p in (ROOT / "runtime").glob("*.c"))
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]


def need(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")


@pytest.mark.parametrize("name", ["CMakeLists.txt", "zephyr/CMakeLists.txt"])
def test_every_source_is_listed(name):
    text = (ROOT / name).read_text()
    # ESP-IDF's, then CMake's
    lists = text.split("endif()", 1) if name == "CMakeLists.txt" else [text]
    for part in lists:
        assert sorted(re.findall(r"/(lp_\w+\.c)", part)) == SOURCES


def test_versions_agree():
    assert json.loads((ROOT / "library.json").read_text())["version"] == VERSION
    assert f"version={VERSION}\n" in (ROOT / "library.properties").read_text()
    assert f'version: "{VERSION}"' in (ROOT / "idf_component.yml").read_text()


def test_platformio():
    found = json.loads((ROOT / "library.json").read_text())
    assert {"name", "version", "description", "keywords", "license"} <= set(found)
    assert all(list(ROOT.glob(pattern)) for pattern in found["export"]["include"])
    assert (ROOT / found["build"]["includeDir"] / found["headers"]).is_file()


def test_arduino():
    fields = dict(
        line.split("=", 1) for line in (ROOT / "library.properties").read_text().splitlines()
    )
    assert set(fields) >= {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
        "includes",
    }
    assert fields["category"] in {
        "Display",
        "Communication",
        "Signal Input/Output",
        "Sensors",
        "Device Control",
        "Timing",
        "Data Storage",
        "Data Processing",
        "Other",
    }
    assert (
        sorted(p.name for p in (ROOT / "src").glob("*.c")) == SOURCES
        and (ROOT / "src" / fields["includes"]).is_file()
    )
    assert (ROOT / "examples" / "KeywordSpotting" / "KeywordSpotting.ino").is_file()


def test_arduino_sketch_compiles(tmp_path):
    """Against a stand-in for Arduino.h, with the flags of an Arduino core for a Cortex-M."""
    need("arm-none-eabi-g++")
    (tmp_path / "model.h").write_text(to_c(read_model("commands12")))
    (tmp_path / "Arduino.h").write_text("""
#include <stddef.h>
#include <stdint.h>
struct Line {
    void begin(long); size_t readBytes(char *, size_t);
    void print(const char *); void println(int); void println();
    void write(const uint8_t *, size_t);
};
extern Line Serial;
void delay(unsigned long);
""")
    subprocess.run(
        [
            "arm-none-eabi-g++",
            "-mcpu=cortex-m4",
            "-mthumb",
            "-Os",
            "-std=gnu++11",
            "-fno-rtti",
            "-fno-exceptions",
            "-ffreestanding",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I",
            str(ROOT / "src"),
            "-I",
            str(tmp_path),
            "-include",
            str(tmp_path / "Arduino.h"),
            "-x",
            "c++",
            "-c",
            str(ROOT / "examples/KeywordSpotting/KeywordSpotting.ino"),
            "-o",
            str(tmp_path / "sketch.o"),
        ],
        check=True,
    )
    for source in (ROOT / "src").glob("*.c"):
        subprocess.run(
            [
                "arm-none-eabi-gcc",
                "-mcpu=cortex-m4",
                "-mthumb",
                "-Os",
                "-std=gnu11",
                "-ffreestanding",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-c",
                str(source),
                "-o",
                str(tmp_path / f"{source.stem}.o"),
            ],
            check=True,
        )


def test_zephyr_files():
    module = (ROOT / "zephyr/module.yml").read_text()
    assert (
        "cmake: zephyr" in module
        and "kconfig: zephyr/Kconfig" in module
        and "zephyr/sample" in module
    )
    assert (
        "config EDGE_LP\n" in (ROOT / "zephyr/Kconfig").read_text()
        and "CONFIG_EDGE_LP=y" in (ROOT / "zephyr/sample/prj.conf").read_text()
    )


def test_zephyr_sample_compiles(tmp_path):
    """Against a stand-in for zephyr/kernel.h, with Zephyr's main flags."""
    need("arm-none-eabi-gcc")
    (tmp_path / "zephyr").mkdir()
    (tmp_path / "zephyr/kernel.h").write_text(
        "#include <stdint.h>\nvoid printk(const char *, ...);\nint32_t k_msleep(int32_t);\n"
    )
    flags = [
        "-mcpu=cortex-m4",
        "-mthumb",
        "-Os",
        "-std=c99",
        "-ffreestanding",
        "-fno-common",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-I",
        str(ROOT / "runtime"),
        "-I",
        str(tmp_path),
    ]
    for source in [ROOT / "zephyr/sample/src/main.c", *(ROOT / "runtime").glob("*.c")]:
        subprocess.run(
            ["arm-none-eabi-gcc", *flags, "-c", str(source), "-o", str(tmp_path / "x.o")],
            check=True,
        )


def test_esp_idf_flags(tmp_path):
    """RISC-V ESP32 (C3, C6) as ESP-IDF compiles it; the Xtensa compiler is not to be had here."""
    need("riscv64-unknown-elf-gcc")
    assert "idf_component_register(" in (ROOT / "CMakeLists.txt").read_text()
    for source in (ROOT / "runtime").glob("*.c"):
        subprocess.run(
            [
                "riscv64-unknown-elf-gcc",
                "-march=rv32imc",
                "-mabi=ilp32",
                "-std=gnu17",
                "-Og",
                "-ffreestanding",
                "-ffunction-sections",
                "-fdata-sections",
                "-fno-jump-tables",
                "-fno-tree-switch-conversion",
                "-Wall",
                "-Wextra",
                "-Werror=all",
                "-Wno-unused-parameter",
                "-Wno-sign-compare",
                "-c",
                str(source),
                "-o",
                str(tmp_path / "x.o"),
            ],
            check=True,
        )


def test_cmake_target(tmp_path):
    """Another project takes the runtime with add_subdirectory, and its program opens the shipped
    model."""
    need("cmake")
    need("cc")
    (tmp_path / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.15)
project(consumer C)
add_subdirectory("{ROOT}" edge_lp)
add_executable(app app.c model.c)
target_link_libraries(app PRIVATE edge_lp::runtime)
""")
    (tmp_path / "model.c").write_text(to_c(read_model("commands12")))
    (tmp_path / "app.c").write_text("""#include "edge_lp.h"
extern const uint8_t edge_lp_model[];
extern const size_t edge_lp_model_size;
int main(void)
{
    lp_model m;
    return lp_model_open(&m, edge_lp_model, edge_lp_model_size) || m.n_keywords != 10;
}
""")
    subprocess.run(
        ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "b")], check=True, capture_output=True
    )
    subprocess.run(
        ["cmake", "--build", str(tmp_path / "b"), "--target", "app"],
        check=True,
        capture_output=True,
    )
    assert subprocess.run([str(tmp_path / "b" / "app")]).returncode == 0
