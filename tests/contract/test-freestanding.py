#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware can take token/x25519 as it is: it compiles freestanding for Cortex-M, without a libc's headers, and wants
nothing at link time but the four functions that a compiler may call everywhere. Prints what it costs.

Skipped where there is no cross compiler, which WGFIDO_CROSS_REQUIRED=1 forbids.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.environ.get("top_srcdir", "."))
FOLDER = "token/x25519"
GCC = shutil.which("arm-none-eabi-gcc")
FLAGS = ["-std=gnu11", "-mthumb", "-Os", "-ffreestanding", "-nostdlib", "-nostdinc", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
         "-fstack-usage", "-fcallgraph-info=su", "-ffunction-sections", f"-I{TOP}"]
# GCC manual, "Language Standards Supported by GCC"; the rest is the compiler's own library.
ALLOWED = re.compile(r"memcpy|memmove|memset|memcmp|__aeabi_\w+|__gnu_\w+")
STRUCTS = ("x25519_device", "x25519_slot", "x25519_host", "x25519_channel", "x25519_handshake")


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}\n{done.stdout}")
    return done.stdout


def compiler(cpu):
    # -nostdinc leaves no header but the compiler's own (stdint.h, stddef.h, stdbool.h)
    own = run(GCC, "-print-file-name=include").strip()
    return [GCC, f"-mcpu={cpu}", *FLAGS, "-isystem", own]


def build(cpu, sources, out):
    """Objects of the sources in the directory out, linked into one."""
    objects = []
    for source in sources:
        objects.append(os.path.join(out, os.path.basename(source)[:-2] + ".o"))
        run(*compiler(cpu), "-c", source, "-o", objects[-1])
    whole = os.path.join(out, "whole.o")
    run(GCC, f"-mcpu={cpu}", "-mthumb", "-nostdlib", "-r", *objects, "-o", whole)
    return whole


def undefined(whole):
    return sorted(line.split()[-1] for line in run("arm-none-eabi-nm", "-u", whole).splitlines() if line.strip())


def size_of(whole):
    text, data, bss = run("arm-none-eabi-size", whole).splitlines()[1].split()[:3]
    return int(text), int(data), int(bss)


def struct_sizes(cpu, out):
    source = os.path.join(out, "sizes.c")
    with open(source, "w", encoding="utf-8") as f:
        f.write('#include "token/x25519/device.h"\n')
        f.writelines(f"char size_of_{name}[sizeof(struct {name})];\n" for name in STRUCTS)
    run(*compiler(cpu), "-c", source, "-o", source[:-2] + ".o")
    lines = run("arm-none-eabi-nm", "-S", source[:-2] + ".o").splitlines()
    return {line.split()[3][8:]: int(line.split()[1], 16) for line in lines}


def worst_stack(out):
    """Of the longest chain of calls; what the caller's primitives and storage take comes on top."""
    own, calls = {}, {}
    for path in glob.glob(os.path.join(out, "*.ci")):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
            stack = re.search(r"(\d+) bytes \((\w+)\)", label)
            if stack:
                if stack.group(2) != "static":
                    raise SystemExit(f"{title}: stack that depends on the input")
                own[title] = int(stack.group(1))
        for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(source, set()).add(target)

    def chain(name, above=()):
        if name in above:
            raise SystemExit(f"{name} calls itself")
        below = max((chain(callee, (*above, name)) for callee in calls.get(name, ()) if callee in own), default=(0, []))
        return own[name] + below[0], [name, *below[1]]

    return max(chain(name) for name in own)


def self_test(out):
    """Could it fail at all?"""
    bad = os.path.join(out, "bad.c")
    with open(bad, "w", encoding="utf-8") as f:
        f.write("#include <stddef.h>\nvoid *malloc(size_t n);\nvoid *f(void);\nvoid *f(void)\n{\n\treturn malloc(7);\n}\n")
    whole = build("cortex-m0", [bad], out)
    if all(ALLOWED.fullmatch(name) for name in undefined(whole)):
        yield "self-test: malloc was not seen"
    with open(bad, "w", encoding="utf-8") as f:
        f.write("#include <string.h>\n")
    if subprocess.run([*compiler("cortex-m0"), "-fsyntax-only", bad], stderr=subprocess.DEVNULL, cwd=out, check=False).returncode == 0:
        yield "self-test: a libc's header was there"


def main():
    if not GCC:
        print("no arm-none-eabi-gcc (package gcc-arm-none-eabi)")
        return 1 if os.environ.get("WGFIDO_CROSS_REQUIRED") == "1" else 77
    sources = sorted(glob.glob(os.path.join(TOP, FOLDER, "*.c")))
    problems = [] if sources else ["no sources"]
    with tempfile.TemporaryDirectory() as out:
        problems += self_test(out)
    for cpu in ("cortex-m0", "cortex-m4"):
        with tempfile.TemporaryDirectory() as out:
            whole = build(cpu, sources, out)
            foreign = [name for name in undefined(whole) if not ALLOWED.fullmatch(name)]
            problems += [f"{cpu}: wants {name}" for name in foreign]
            text, data, bss = size_of(whole)
            if data or bss:
                problems.append(f"{cpu}: memory of its own: data {data}, bss {bss}")
            stack, chain = worst_stack(out)
            print(f"{cpu}: text {text} data {data} bss {bss}; stack {stack} ({' > '.join(name.split(':')[-1] for name in chain)}); "
                  f"wants {' '.join(undefined(whole))}")
            print("    " + ", ".join(f"{name} {size}" for name, size in sorted(struct_sizes(cpu, out).items())))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
