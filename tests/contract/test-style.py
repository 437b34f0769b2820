#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader may count on in every C file: a licence in the first line, a length that can be read, nothing left undone."""
import os
import re
import sys
import tempfile

from sources import sources

LINES_MAX = 600
LICENCE = "/* SPDX-License-Identifier: GPL-2.0-or-later */"
UNDONE = re.compile(r"\b(TODO|FIXME|XXX)\b")


def offences(top):
    for path in sources(top):
        with open(os.path.join(top, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        if lines[0] != LICENCE:
            yield f"{path}:1: the first line is not {LICENCE}"
        if lines[-1] != "":
            yield f"{path}:{len(lines)}: no newline at the end"
        if len(lines) - 1 > LINES_MAX:
            yield f"{path}: {len(lines) - 1} lines, {LINES_MAX} are allowed: which part has a name of its own?"
        for number, line in enumerate(lines, 1):
            if UNDONE.search(line):
                yield f"{path}:{number}: {line.strip()}"
            if line != line.rstrip():
                yield f"{path}:{number}: blanks at the end of the line"


def self_test():
    samples = {
        "common/good.c": LICENCE + "\nint x;\n",
        "common/no-licence.c": "int x;\n",
        "common/no-newline.c": LICENCE + "\nint x;",
        "common/long.c": LICENCE + "\n" * (LINES_MAX + 1),
        "tests/long.c": LICENCE + "\n" * (LINES_MAX + 1),
        "common/undone.c": LICENCE + "\n/* TO" + "DO */\n",
        "common/blank.c": LICENCE + "\nint x; \n",
    }
    with tempfile.TemporaryDirectory() as top:
        for folder in ("common", "tests"):
            os.mkdir(os.path.join(top, folder))
        for name, text in samples.items():
            with open(os.path.join(top, name), "w", encoding="utf-8") as f:
                f.write(text)
        caught = {offence.split(":")[0] for offence in offences(top)}
    if caught != set(samples) - {"common/good.c"}:
        yield f"self-test: caught {sorted(caught)}"


def main():
    problems = [*self_test(), *offences(os.environ.get("top_srcdir", "."))]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
