#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every header compiles alone: it includes what it needs."""
import os
import shlex
import subprocess
import sys

from sources import FOLDERS, sources

TOP = os.environ.get("top_srcdir", ".")
COMPILE = [*shlex.split(os.environ.get("CC", "cc")), *shlex.split(os.environ.get("CONTRACT_CPPFLAGS", f"-I{TOP} -D_GNU_SOURCE")),
           "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]


def complaints(text):
    run = subprocess.run(COMPILE, input=text, capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stderr or "failed"


def main():
    # Could it fail at all?
    if complaints("#include <stdint.h>\nuint8_t f(void);\n"):
        print("self-test: a header that is right was refused:", complaints("#include <stdint.h>\nuint8_t f(void);\n"))
        return 1
    if not complaints("uint8_t f(void);\n"):
        print("self-test: a header without its includes was accepted")
        return 1
    failed = 0
    # tests/unit/unit.h comes first by design; the rest of the tests' headers are no contract
    for header in sources(TOP, (".h",), [folder for folder in FOLDERS if folder != "tests"]):
        found = complaints(f'#include "{header}"\n')
        if found:
            failed += 1
            print(f"{header} does not compile alone:\n{found}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
