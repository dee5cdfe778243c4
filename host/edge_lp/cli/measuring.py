# SPDX-License-Identifier: Apache-2.0
"""Accuracy and cost: evaluate, bench."""

from __future__ import annotations

import json

import click

from edge_lp.cli.common import JSON, model_bytes, progress, show


@click.command()
@click.argument("model")
@click.argument("folder", metavar="DIR")
@click.option(
    "--backend",
    type=click.Choice(["snn", "ann", "float"]),
    default="snn",
    show_default=True,
    help="The spiking net in C; its 3-bit weights in float arithmetic; the float weights that "
    "training kept.",
)
@click.option(
    "--json", "output", metavar="OUT", help="Write the result to this file as JSON; - is stdout."
)
def evaluate(model: str, folder: str, backend: str, output: str | None) -> None:
    """Accuracy of MODEL on a folder of clips.

    DIR holds one folder of clips per word.
    A word that is not a label counts as unknown, _silence_ as silence.
    """
    from edge_lp.files import check_writable, write_file
    from edge_lp.measure import accuracy

    if output not in (None, "-"):
        check_writable(output)
    result = accuracy.evaluate(model, folder, backend, progress("evaluating"))
    text = json.dumps(result.json(), indent=1, ensure_ascii=False) + "\n"
    if output == "-":
        click.echo(text, nl=False)
        return
    if output:
        # before anything is printed: a reader that hangs up does not cost the result
        write_file(output, text.encode())
    show(*accuracy.tables(result))


@click.group(invoke_without_command=True)
@click.option(
    "--model", default="commands12", show_default=True, help="File, run directory or shipped model."
)
@click.option(
    "--peers",
    metavar="PATH",
    help="Script whose `cost` measures other engines in this session.  [default: ../shared/bench, "
    "if there]",
)
@JSON
@click.pass_context
def bench(ctx: click.Context, model: str, peers: str | None, as_json: bool) -> None:
    """Measure CPU time and instructions.

    Without a sub-command: CPU ms per 1 s of audio of front end, network and detector, one thread.
    """
    if ctx.invoked_subcommand:
        return
    from edge_lp.measure import cost
    from edge_lp.runtime import Model

    script = cost.peers_script(peers)
    own = cost.bench(Model(model_bytes(model)))
    others = cost.peers(script) if script else []
    if as_json:
        click.echo(json.dumps({**own, "peers": others}))
    else:
        show(*cost.tables(own, others))


@bench.command("core")
@JSON
def bench_core(as_json: bool) -> None:
    """Steps and synaptic operations per second of the Loihi-1 core on the standard network; one
    thread, spikes recorded."""
    from edge_lp.loihi.bench import bench as measure

    found = measure()
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(
            f"{found['steps_per_s']:,} steps/s, {found['synaptic_ops_per_s']:,} synaptic "
            f"operations/s ({found['network']}, "
            f"{found['spikes_per_step']:.1f} spikes a step, median of {found['runs']} runs)"
        )


@bench.command("board")
@click.argument("model", default="commands12")
@click.option(
    "--board",
    "boards",
    multiple=True,
    type=click.Choice(["m4", "m3", "m7", "rv32"]),
    help="Only these; may be repeated.  [default: all]",
)
@click.option(
    "--audio", metavar="FILE", help="Recording to count on.  [default: 5 s of artificial babble]"
)
@JSON
def bench_board(model: str, boards: tuple[str, ...], audio: str | None, as_json: bool) -> None:
    """Instructions per second of audio on emulated boards, by part and by function; the same in
    every run."""
    from edge_lp.audio.files import read_file
    from edge_lp.board import count

    data, pcm = model_bytes(model), read_file(audio) if audio else None
    found = {name: count.count(name, data, pcm) for name in boards or ("m4", "m3", "m7", "rv32")}
    if as_json:
        click.echo(json.dumps(found))
    else:
        show(*count.table(found))
