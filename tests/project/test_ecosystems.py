# SPDX-License-Identifier: Apache-2.0
"""Other people's build systems, as far as they can be had here: CMake and pkg-config for real, an
ESP-IDF archive packed by its own tool; Zephyr's CMake, Arduino's and PlatformIO's against stand-ins
for their headers. docs/board.md says so."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from edge_lp.audio.signals import babble
from edge_lp.model.carray import to_c
from edge_lp.model.find import read_model
from edge_lp.model.format import pack
from edge_lp.runtime import Detector, Frontend, Model, Net
from paths import ROOT, load
from random_model import random_spec

SOURCES = sorted(p.name for p in (ROOT / "runtime").rglob("*.c"))
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout


def hot():
    """What runs in every frame, and is compiled for speed (C11)."""
    text = (ROOT / "runtime/sources.cmake").read_text()
    return [Path(s).name for s in re.search(r"EDGE_LP_HOT ([^)]*)", text)[1].split()]


def test_every_source_is_listed():
    text = (ROOT / "runtime/sources.cmake").read_text()
    assert sorted(re.findall(r"\blp_\w+\.c", text)) == SOURCES
    makefile = (ROOT / "firmware/Makefile").read_text()
    assert re.search(r"^HOT = (.*)", makefile, re.M)[1].split() == [s[:-2] for s in hot()]


def test_sixteen_bit_int_is_refused():
    """C8: the sums are proven for an int of 32 bits; a smaller one computed something else."""
    need("clang")
    command = ["clang", "-fsyntax-only", "-ffreestanding", "-x", "c", ROOT / "runtime/edge_lp.h"]
    run(*command, "--target=armv7m-none-eabi")
    done = subprocess.run([*command, "--target=msp430"], capture_output=True, text=True)
    assert done.returncode != 0 and "lp_int_has_32_bits" in done.stderr


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
    for name in SOURCES:
        # C11: the same files for speed as in the other build systems
        assert ('"edge_lp_fast.h"' in (ROOT / "src" / name).read_text()) == (name in hot())
    assert (ROOT / "examples" / "KeywordSpotting" / "KeywordSpotting.ino").is_file()


LINE = """
#include <stddef.h>
#include <stdint.h>
struct Line {
    void begin(long); size_t readBytes(char *, size_t);
    void print(const char *); void println(int); void println(const char *); void println();
    void write(const uint8_t *, size_t);
};
"""
SKETCH = ROOT / "examples/KeywordSpotting/KeywordSpotting.ino"


@pytest.mark.parametrize("serial_in", ["Arduino.h", "Adafruit_TinyUSB.h"])
def test_arduino_sketch_compiles(tmp_path, serial_in):
    """Against a stand-in for Arduino.h, with the flags of an Arduino core for a Cortex-M. C8: some
    cores have Serial in a library that only the sketch can name."""
    need("arm-none-eabi-g++")
    (tmp_path / "model.h").write_text(to_c(read_model("commands12")))
    (tmp_path / "Arduino.h").write_text(LINE + "void delay(unsigned long);\n")
    with (tmp_path / serial_in).open("a") as f:
        f.write("extern Line Serial;\n")
    other = ["-DUSE_TINYUSB"] if serial_in != "Arduino.h" else []
    subprocess.run(
        [
            "arm-none-eabi-g++",
            *other,
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
            str(SKETCH),
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


def test_arduino_sketch_hears_what_came(tmp_path):
    """C8: the sketch runs here, with a line that falls silent within blocks. What it prints is the
    host's keywords of the samples that came, nothing stale."""
    need("g++", "gcc")
    spec = random_spec(1)
    detector = replace(spec.detector, windows=(20,), thresholds=(0.2,), refractory=20)
    model = pack(replace(spec, detector=detector))
    pcm = babble(3, seed=1)
    (tmp_path / "model.h").write_text(to_c(model))
    (tmp_path / "pcm").write_bytes(pcm.astype("<i2").tobytes())
    (tmp_path / "main.cpp").write_text(
        LINE
        + f"""#include <cstdio>
#include <cstdlib>
static FILE *in;
static int reads;
void Line::begin(long) {{ in = fopen("{tmp_path}/pcm", "rb"); }}
size_t Line::readBytes(char *to, size_t n) {{
    if (++reads % 7 == 0) n = 2 * (n / 6);
    n = fread(to, 1, n, in);
    if (!n) exit(0);
    return n;
}}
void Line::print(const char *s) {{ fputs(s, stdout); }}
void Line::println(const char *s) {{ puts(s); }}
void Line::println(int i) {{ printf("%d\\n", i); }}
void Line::println() {{ puts(""); }}
void Line::write(const uint8_t *s, size_t n) {{ fwrite(s, 1, n, stdout); }}
Line Serial;
void delay(unsigned long) {{ exit(1); }}
#include "{SKETCH}"
int main() {{ for (setup();;) loop(); }}
"""
    )
    for source in (ROOT / "src").glob("*.c"):
        run("gcc", "-Os", "-c", source, "-o", tmp_path / f"{source.stem}.o")
    objects = tmp_path.glob("*.o")
    run("g++", "-I", ROOT / "src", "-I", tmp_path, tmp_path / "main.cpp", *objects, "-o", "t",
        cwd=tmp_path)  # fmt: skip
    said = run(tmp_path / "t").splitlines()
    opened = Model(model)
    spoken = Detector(len(opened.labels), opened.n_keywords, opened.detector).push(
        Net(opened).push(Frontend().push(pcm))
    )[0]
    labels = [opened.labels[e.label] for e in spoken]
    assert labels and [line for line in said if "no samples" not in line] == labels
    assert said.count("edge-lp: no samples for a second") > 20


ZEPHYR = """
# The parts of Zephyr's CMake that the module and the sample call.
if(NOT EXTRA_ZEPHYR_MODULES)
  message(FATAL_ERROR "no module")
endif()
set(ZEPHYR_BINARY_DIR "${CMAKE_BINARY_DIR}/zephyr")
file(STRINGS prj.conf settings REGEX "^CONFIG_")
foreach(setting ${settings})
  string(REGEX MATCH "^([^=]+)=(.*)$" _ "${setting}")
  set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()
macro(project)
  _project(${ARGV} C)
  add_library(zephyr_interface INTERFACE)
  target_compile_options(zephyr_interface INTERFACE -Os -ffreestanding -Wall -Wextra -Werror)
  target_include_directories(zephyr_interface INTERFACE
    "${ZEPHYR_BINARY_DIR}/include/generated" "${Zephyr_DIR}")
  add_library(app STATIC)
  target_link_libraries(app PUBLIC zephyr_interface)
  foreach(module ${EXTRA_ZEPHYR_MODULES})
    add_subdirectory("${module}/zephyr" module)
  endforeach()
endmacro()
function(zephyr_library_named name)
  add_library(${name} STATIC)
  target_link_libraries(${name} PRIVATE zephyr_interface)
  set(ZEPHYR_CURRENT_LIBRARY ${name} PARENT_SCOPE)
endfunction()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()
function(zephyr_include_directories)
  target_include_directories(zephyr_interface INTERFACE ${ARGV})
endfunction()
function(generate_inc_file_for_target target from to)
  file(READ "${from}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\\\1," hex "${hex}")
  file(WRITE "${to}" "${hex}")
endfunction()
"""
BARE_METAL = """
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m4 -mthumb -fcallgraph-info=su")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
"""


def configure(source, build, *options):
    run("cmake", "-S", source, "-B", build, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options)
    run("cmake", "--build", build)
    commands = json.loads((build / "compile_commands.json").read_text())
    return {Path(c["file"]).name: c["command"].split() for c in commands}


def level(command):
    """The last of gcc's -O options, which is the one that counts."""
    return [flag for flag in command if flag.startswith("-O")][-1]


def test_zephyr_sample_builds(tmp_path):
    """C7: the documented command, from a clean tree, for a Cortex-M4, with a stand-in for Zephyr.
    C5: the main stack holds the sample's deepest path, and what printk and an interrupt take beside
    it. C11: what runs in every frame is compiled for speed though Zephyr says -Os."""
    need("cmake", "arm-none-eabi-gcc")
    fake = tmp_path / "fake"
    (fake / "zephyr").mkdir(parents=True)
    (fake / "ZephyrConfig.cmake").write_text(ZEPHYR)
    (fake / "zephyr/kernel.h").write_text(
        "#include <stdint.h>\nvoid printk(const char *, ...);\nint32_t k_msleep(int32_t);\n"
    )
    (tmp_path / "m4.cmake").write_text(BARE_METAL)
    build = tmp_path / "b"
    commands = configure(
        ROOT / "zephyr/sample",
        build,
        f"-DZephyr_DIR={fake}",
        f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'm4.cmake'}",
    )
    assert set(commands) == {"main.c", *SOURCES}
    assert level(commands["lp_core.c"]) == "-O3" and level(commands["lp_image.c"]) == "-Os"
    report = load(ROOT / "firmware/tools/report.py")
    frames, calls = report.call_graph(build.rglob("*.ci"))
    assert len(frames) > 40
    bound = report.deepest("main", frames, calls)
    stack = int(
        re.search(r"MAIN_STACK_SIZE=(\d+)", (ROOT / "zephyr/sample/prj.conf").read_text())[1]
    )
    assert 300 < bound and bound + 512 <= stack


def test_zephyr_files():
    found = (ROOT / "zephyr/module.yml").read_text()
    assert "cmake: zephyr" in found
    assert "kconfig: zephyr/Kconfig" in found and "zephyr/sample" in found
    assert "config EDGE_LP\n" in (ROOT / "zephyr/Kconfig").read_text()


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


def test_esp_idf_archive(tmp_path):
    """C9: packed by ESP-IDF's own tool, the component is the runtime and nothing else. It was
    938 KB with the trainer, the tests and the host tool in it. Its example is whole, and apart."""
    compote = Path(sys.executable).with_name("compote")
    if not compote.exists():
        pytest.skip("idf-component-manager is not installed")
    for name in ("CMakeLists.txt", "idf_component.yml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("runtime", "host", "tests", "firmware", "esp-idf"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    run(compote, "component", "pack", "--name", "edge_lp", cwd=tmp_path)
    archive, examples = sorted((tmp_path / "dist").glob("*.tgz"))
    names = {m.name.removeprefix("./") for m in tarfile.open(archive).getmembers() if m.isfile()}
    assert {n for n in names if not n.startswith("runtime/")} == {
        "CMakeLists.txt", "LICENSE", "README.md", "idf_component.yml"
    }  # fmt: skip
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "runtime").rglob("*.c")}
    assert {n for n in names if n.endswith(".c")} == sources
    assert {"runtime/edge_lp.h", "runtime/sources.cmake"} <= names
    assert archive.stat().st_size < 72 * 1024  # 64 before lp_audio.h and lp_status.h
    example = ROOT / "esp-idf" / "i2s_microphone"
    with tarfile.open(examples) as packed:
        found = {
            m.name.partition("/i2s_microphone/")[2]: packed.extractfile(m).read()
            for m in packed.getmembers()
            if m.isfile()
        }
    assert found == {
        str(p.relative_to(example)): p.read_bytes() for p in example.rglob("*") if p.is_file()
    }
    assert found["main/model.lpb"] == read_model("commands12")


# ----------------------------------------------------------------------------- CMake, pkg-config --

APP = """#include "edge_lp.h"
extern const uint8_t edge_lp_model[];
extern const size_t edge_lp_model_size;
int main(void)
{
    lp_model m;
    return lp_model_open(&m, edge_lp_model, edge_lp_model_size) || m.n_keywords != 10;
}
"""
USES = {
    "add_subdirectory": f'add_subdirectory("{ROOT}" edge_lp)',
    "FetchContent": f"""include(FetchContent)
FetchContent_Declare(edge_lp SOURCE_DIR "{ROOT}")
FetchContent_MakeAvailable(edge_lp)""",
    "find_package": f"find_package(edge_lp {VERSION} REQUIRED)",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """C9: `cmake --install` used to install nothing, and said nothing."""
    need("cmake", "cc")
    folder = tmp_path_factory.mktemp("cmake")
    configure(ROOT, folder / "b")
    run("cmake", "--install", folder / "b", "--prefix", folder / "first")
    # and the tree may be moved
    return (folder / "first").rename(folder / "moved")


def app(folder):
    (folder / "model.c").write_text(to_c(read_model("commands12")))
    (folder / "app.c").write_text(APP)


@pytest.mark.parametrize("how", USES)
def test_cmake_consumers(tmp_path, installed, how):
    """Another project takes the runtime, and its program opens the shipped model."""
    app(tmp_path)
    (tmp_path / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.15)
project(consumer C)
{USES[how]}
add_executable(app app.c model.c)
target_link_libraries(app PRIVATE edge_lp::runtime)
install(TARGETS app DESTINATION bin)
""")
    build = tmp_path / "b"
    configure(tmp_path, build, f"-DCMAKE_PREFIX_PATH={installed}", "-DCMAKE_BUILD_TYPE=MinSizeRel")
    run(build / "app")
    # as a part of something else, the runtime installs nothing of its own
    run("cmake", "--install", build, "--prefix", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["app"]


def test_pkg_config(tmp_path, installed):
    need("pkg-config", "cc")
    app(tmp_path)
    (pc,) = installed.rglob("edge_lp.pc")
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
    flags = run("pkg-config", "--cflags", "--libs", f"edge_lp = {VERSION}", env=env).split()
    run("cc", "app.c", "model.c", *flags, "-o", "app", cwd=tmp_path)
    run(tmp_path / "app")


def test_cmake_on_bare_metal(tmp_path):
    """C9: no position-independent code where there are no shared libraries, but where there are.
    C11: the project's own level is for what runs once."""
    need("cmake", "arm-none-eabi-gcc")
    (tmp_path / "m4.cmake").write_text(BARE_METAL)
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'm4.cmake'}"
    levels = {}
    for kind in ("MinSizeRel", "Debug"):
        commands = configure(ROOT, tmp_path / kind, toolchain, f"-DCMAKE_BUILD_TYPE={kind}")
        assert set(commands) == set(SOURCES)
        assert not any("-fPIC" in command for command in commands.values())
        levels[kind] = [level(["-O0", *commands[f"lp_{name}.c"]]) for name in ("core", "image")]
    assert levels == {"MinSizeRel": ["-O3", "-Os"], "Debug": ["-O0", "-O0"]}
