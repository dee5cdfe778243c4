# SPDX-License-Identifier: Apache-2.0
"""What all tests share. With EDGE_LP_NO_SKIP=1, as in CI, a test that skips fails: a tool that is
missing there is an error, not an excuse."""

import os
import signal

import pytest
from paths import SHARED

# recordings and golden cases, which some machines have beside the project

# Asked for by a variable, and no test of every run: files that are not ours to ship.
if "EDGE_LP_NIR_PAPER" not in os.environ:
    collect_ignore = ["loihi/test_published_nir.py"]


# A runner that was started in the background ignores SIGINT, one that was started by nohup SIGHUP,
# and so would all that they start: tests that press Ctrl-C or close a terminal would wait for ever.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)


def _no_excuse(report):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    # these files are not to be had everywhere
    excused = "../shared" in reason and not SHARED.is_dir()
    if os.environ.get("EDGE_LP_NO_SKIP") and not excused and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"{reason} (EDGE_LP_NO_SKIP is set: nothing may skip; "
            "tools/system-packages.sh installs the tools)"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped:
        _no_excuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped:
        _no_excuse(report)
    return report
