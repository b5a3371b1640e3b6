"""Where the commands write: a stream that may lack characters, be closed, or be full.

A character that standard output cannot show is written as an ASCII word: Σ as "sum". Errors of
writing are turned into an exit status. No command needs to think of any of this.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress

WORDS = {
    "Σ": "sum", "√": "sqrt", "σ": "sigma", "μ": "mu", "γ": "gamma", "β": "beta", "ε": "eps",
    "∇": "grad", "≠": "!=", "≤": "<=", "≥": ">=", "±": "+-", "×": "x", "÷": "/", "·": "*",
    "−": "-", "–": "-", "—": "-", "→": "->", "²": "^2", "³": "^3", "…": "...", "⋯": "...",
    "’": "'", "‘": "'", "“": '"', "”": '"',
}  # fmt: skip
HANDLER = "tinygrad_bn.words"


def _in_words(error: UnicodeError) -> tuple[str, int]:
    """Replace the first character that cannot be encoded (a handler of the module codecs)."""
    assert isinstance(error, UnicodeEncodeError)
    text, start = error.object, error.start
    character = text[start]
    word = WORDS.get(character) or character.encode("ascii", "backslashreplace").decode()
    apart = word.isalpha() and text[start + 1 : start + 2].isalnum()
    return word + " " * apart, start + 1


codecs.register_error(HANDLER, _in_words)


def printable(text: str) -> str:
    """Return the text as standard output can show it; to be called before columns are aligned."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, HANDLER).decode(encoding)


def guarded(command: str, run: Callable[[], int]) -> int:
    """Run a command and return its exit status, also where its output cannot be written.

    A reader of the output that has ended, such as `head`, ends the command quietly. Another error,
    such as a full disk, is described in one sentence, and the status is 2.
    """
    _prepare()
    try:
        try:
            status = run()
        finally:  # also after the help, which ends in SystemExit
            sys.stdout.flush()
            sys.stderr.flush()
    except OSError as error:
        status = 0
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: a closed pipe on Windows
            where = error.filename or "the output"
            complain(f"{command}: {where}: {(error.strerror or str(error)).lower()}")
            status = 2
        _discard()
    return status


def complain(sentence: str) -> None:
    """Write a sentence to standard error, if that can be."""
    try:
        print(sentence, file=sys.stderr, flush=True)
    except OSError:
        _discard()


def _prepare() -> None:
    """Replace a stream that was closed at the start, as by ``>&-``."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (for the rest of the process)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def _discard() -> None:
    """Send what is still buffered nowhere, or the interpreter would fail on it at its end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
            continue
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
