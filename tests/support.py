# SPDX-License-Identifier: Apache-2.0
"""Small things that many tests need."""


def raising(error):
    """A stand-in for any function, that raises."""

    def function(*arguments, **named):
        raise error

    return function
