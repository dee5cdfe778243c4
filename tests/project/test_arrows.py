# SPDX-License-Identifier: Apache-2.0
"""Which way imports point (DESIGN.md, "The house"): directly, and by way of others."""

import ast
import subprocess
import sys

import pytest
from paths import ROOT

HOST, TRAIN, PAPERS, TWINS = (ROOT / name for name in ("host", "train", "papers", "tests"))
PYTHON = sorted(p for b in (HOST, TRAIN, PAPERS, TWINS / "twins") for p in b.rglob("*.py"))

# Rooms of edge_lp from the ground up: a module imports from its own room and those before it.
ROOMS = [
    "errors",
    "text",
    "files",
    "integers",
    "turns",
    "binding",
    "listed",
    "core",
    "learning",
    "model.spec",
    "runtime",
    "loihi",
    "audio",
    "model",
    "board",
    "measure",
    "plots",
    "hear",
    "cli",
    "__main__",
]
# ... and those of edge_lp_papers, which stand on edge_lp and edge_lp_train.
PAPER_ROOMS = "experiment processes work rests spiker experiments registry run page".split()
# ... and these reach nothing else, not even by way of others.
ONLY = {
    "core": {"errors", "integers", "turns", "binding", "listed", "core"},
    "learning": set("errors integers turns binding listed core learning".split()),
    "loihi": set("errors text files integers turns binding listed core learning loihi".split()),
    "model.spec": {"model.spec"},
}
HEAVY = "sounddevice matplotlib serial nir soundfile espeakng_loader rich".split()


def name_of(path):
    base = next(b for b in (HOST, TRAIN, PAPERS, TWINS) if b in path.parents)
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def imports(path, top_level_only=False):
    """Dotted names that a file imports; `from a import b` counts as a and as a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = set()
    for f in ast.walk(tree):
        in_function = isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef))
        for_types = isinstance(f, ast.If) and "TYPE_CHECKING" in ast.dump(f.test)
        if in_function or for_types:
            lazy |= {id(n) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if top_level_only and id(node) in lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{a.name}" for a in node.names)


MODULES = {name_of(p): p for p in PYTHON}


def edges(name):
    """The project's modules that one imports. `from package import module` is an arrow to the
    module, not to the package's own __init__."""
    found = {n for n in imports(MODULES[name]) if n in MODULES and n != name}
    return {n for n in found if not any(other.rpartition(".")[0] == n for other in found)}


GRAPH = {name: edges(name) for name in MODULES}


def within(name, *packages):
    return any(name == p or name.startswith(p + ".") for p in packages)


def room(name):
    """The room of edge_lp in which a module is; None for the package itself."""
    inside = name.removeprefix("edge_lp").removeprefix(".")
    found = [r for r in ROOMS if within(inside, r)]
    return max(found, key=len, default=None)


def reached(name):
    """All modules of the project that a module imports, directly or by way of others."""
    seen, todo = set(), [name]
    while todo:
        for n in GRAPH[todo.pop()] - seen:
            seen.add(n)
            todo.append(n)
    return seen


EDGE_LP = sorted(n for n in MODULES if within(n, "edge_lp"))


@pytest.mark.parametrize("name", EDGE_LP)
def test_each_module_has_a_room_and_imports_downwards(name):
    mine = room(name)
    assert mine or name == "edge_lp", f"{name}: a new room; give it a place in ROOMS and DESIGN.md"
    for other in GRAPH[name]:
        theirs = room(other)
        if theirs is None:
            continue
        assert ROOMS.index(theirs) <= ROOMS.index(mine), f"{name} imports {other}, which is above"
        if theirs != mine:
            assert within(name, "edge_lp.__main__") or theirs != "cli", "nothing imports the CLI"


@pytest.mark.parametrize("name", sorted(n for n in MODULES if within(n, "edge_lp_papers")))
def test_the_papers_have_rooms_too(name):
    """Nothing below knows of the papers, but for the command."""

    def paper_room(n):
        inside = n.removeprefix("edge_lp_papers").removeprefix(".")
        return next((r for r in PAPER_ROOMS if within(inside, r)), None)

    mine = paper_room(name)
    assert mine or name == "edge_lp_papers", f"{name}: a new room; give it a place in PAPER_ROOMS"
    for other in GRAPH[name]:
        assert not within(other, "edge_lp.cli") and not within(other, "twins")
        if theirs := paper_room(other) if within(other, "edge_lp_papers") else None:
            assert PAPER_ROOMS.index(theirs) <= PAPER_ROOMS.index(mine)


@pytest.mark.parametrize("name", sorted(n for n in MODULES if not within(n, "edge_lp_papers")))
def test_nothing_stands_on_the_papers(name):
    found = [n for n in imports(MODULES[name]) if within(n, "edge_lp_papers")]
    assert not found or name == "edge_lp.cli.papers"
    assert not [n for n in imports(MODULES[name], True) if within(n, "edge_lp_papers")]


@pytest.mark.parametrize("name", EDGE_LP)
def test_some_rooms_stay_apart_even_by_way_of_others(name):
    if room(name) in ONLY:
        assert {room(n) for n in reached(name)} <= ONLY[room(name)]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_cycle(name):
    assert name not in reached(name)


@pytest.mark.parametrize("name", [n for n in EDGE_LP if room(n) != "cli"])
def test_the_trainer_is_above(name):
    assert not [n for n in imports(MODULES[name]) if within(n, "edge_lp_train")]


@pytest.mark.parametrize("name", EDGE_LP)
def test_the_light_package_stays_light(name):
    everything = set(imports(MODULES[name]))
    at_top = set(imports(MODULES[name], top_level_only=True))
    assert not [n for n in everything if within(n, "tensorflow", "keras")]
    assert not [n for n in at_top if within(n, "edge_lp_train")], "only inside a command"
    assert not [n for n in at_top if within(n, *HEAVY)], "optional or slow: where it is used"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_only_the_bindings_touch_cffi(name):
    touched = [n for n in imports(MODULES[name]) if within(n, "cffi", "edge_lp._runtime")]
    assert not touched or name in ("edge_lp.binding", "make_binding")
    scan = [n for n in imports(MODULES[name]) if within(n, "edge_lp_train._scan")]
    assert not scan or name == "edge_lp_train.scan"
    spiker = [n for n in imports(MODULES[name]) if within(n, "edge_lp_papers._spiker")]
    assert not spiker or name == "edge_lp_papers.spiker.layer"
    from_binding = "edge_lp.binding" in GRAPH[name]
    allowed = ("listed", "core", "learning", "runtime")
    assert not from_binding or name in [f"edge_lp.{n}" for n in allowed]


@pytest.mark.parametrize("name", [n for n in MODULES if within(n, "twins")])
def test_the_twins_are_apart_from_the_c(name):
    """A twin stands on plain Python, NumPy and the plain data of model.spec, in all it reaches."""
    assert {n for n in reached(name) if within(n, "edge_lp")} <= {"edge_lp.model.spec"}


def test_help_needs_nothing_heavy():
    """All --help pages, in one process, without any optional or heavy package."""
    code = """
import sys, click
from edge_lp.cli import main
def pages(command, path):
    click.echo(command.get_help(click.Context(command, info_name=path)))
    for name, sub in getattr(command, "commands", {}).items():
        pages(sub, f"{path} {name}")
pages(main, "edge-lp")
heavy = set("tensorflow keras edge_lp_train matplotlib sounddevice serial nir soundfile numpy rich "
            "edge_lp.runtime".split())
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 0 and "train" in out.stdout, out.stderr


SOURCES = [
    p
    for folder in ("host", "train", "papers", "tests", "runtime", "firmware")
    for p in sorted((ROOT / folder).rglob("*"))
    if p.suffix in (".py", ".c", ".h") and "build" not in p.parts
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_licence_line_and_size(path):
    text = path.read_text(encoding="utf-8")
    assert "SPDX-License-Identifier: Apache-2.0" in text.split("\n")[0]
    assert text.count("\n") <= 500, "two ideas in one file?"
    if path.name != "lp_tables.h":
        wide = [i for i, line in enumerate(text.split("\n"), 1) if len(line) > 100]
        assert not wide, f"lines over 100 columns: {wide}"


def test_test_files_have_names_of_their_own():
    """pytest imports them all from one path, the first of a name for every file of it."""
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), {n for n in names if names.count(n) > 1}
