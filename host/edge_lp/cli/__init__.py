# SPDX-License-Identifier: Apache-2.0
"""The command line: parse, call, print. No logic lives here, and nothing imports it.

Exit codes: 0 done; 1 the command ran and its answer is no (replay, verify); 2 bad input, one line
on stderr says what and what to do; 130 stopped with Ctrl-C, SIGTERM or SIGHUP; 141 nobody reads the
output any more. Imports are inside the commands, so that `edge-lp --help` answers at once."""

from __future__ import annotations

import click

from edge_lp.cli.boards import emulate, new_project, verify
from edge_lp.cli.common import Cli
from edge_lp.cli.listening import demo, devices, listen, record, serve
from edge_lp.cli.loihi import loihi_group
from edge_lp.cli.measuring import bench, calibrate, evaluate, explain
from edge_lp.cli.models import export, inspect, tune
from edge_lp.cli.papers import reproduce
from edge_lp.cli.training import train


@click.group(
    cls=Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(None, "--version", package_name="edge-lp", message="edge-lp %(version)s")
def main() -> None:
    """Keyword spotting with spiking low-pass recurrent networks, in integers: train, export, run,
    listen.

    MODEL is an .lpb file, a run directory of `edge-lp train`, or the name of a shipped model.
    """


for _command in (
    train,
    export,
    inspect,
    tune,
    evaluate,
    calibrate,
    explain,
    listen,
    record,
    serve,
    devices,
    demo,
    emulate,
    verify,
    new_project,
    bench,
    loihi_group,
    reproduce,
):
    main.add_command(_command)
