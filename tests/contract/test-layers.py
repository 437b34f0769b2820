#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may include whom: folders are layers, and each library's headers have one home.

Checked through the project's own headers as well: a file that includes a header that includes sd-bus includes sd-bus.
First the rules are shown to catch what they forbid, on samples; then the tree is held to them.
"""
import os
import re
import sys
import tempfile

from sources import includes, sources

PRODUCT = ("common", "token", "daemon", "bus", "agent", "tunnel", "client")

# Which of the project's headers the files may include; the first row that fits the file counts.
LAYERS = [
    (r"common/", r"common/"),
    # firmware takes this folder as it is
    (r"token/x25519/", r"token/x25519/"),
    (r"token/soft/", r"(token/soft|token/x25519|common)/|token/(ctaphid-frame|hid-desc|x25519-sodium)\.h$"),
    (r"token/", r"(?!token/soft/)(token|common)/"),
    # main -> bus -> broker: what knows the bus is included only by what knows the bus
    (r"daemon/(bus[a-z-]*|polkit|logind|main)\.[ch]$", r"(daemon|common)/"),
    (r"daemon/", r"(?!daemon/(bus[a-z-]*|polkit|logind)\.h$)(daemon|common)/"),
    (r"bus/", r"(bus|common)/"),
    # what knows the bus stays out of the agent's core, but for the lease
    (r"agent/(bus[a-z-]*|main)\.[ch]$", r"(agent|bus|common)/"),
    (r"agent/", r"(agent|common)/|bus/lease\.h$"),
    # the protocol and its threads know no bus
    (r"tunnel/(bus|main)\.[ch]$", r"(tunnel|bus|common)/"),
    (r"tunnel/", r"(tunnel|common)/|bus/lease\.h$"),
    (r"client/", r"(client|common)/"),
]

# Whose headers may be reached from where.
FENCES = [
    (r"sodium\.h", r"(?!token/x25519/)"),
    (r"ini\.h", r"common/config\.c$"),
    (r"systemd/sd-bus\.h", r"(daemon/(bus[a-z-]*|polkit|logind|main)|bus/[a-z-]*|agent/(bus[a-z-]*|main)|client/[a-z0-9-]*)\.[ch]$"),
    (r"systemd/sd-event\.h", r"(daemon|bus|agent|tunnel|client)/"),
    (r"systemd/sd-journal\.h", r"tunnel/daemonise\.c$"),
    (r"systemd/sd-device\.h", r"daemon/presence[a-z-]*\.[ch]$|client/doctor-udev\.c$"),
    (r"systemd/sd-login\.h", r"daemon/(bus[a-z-]*|logind)\.[ch]$|client/"),
    (r"systemd/sd-daemon\.h", r"(daemon|agent|tunnel|client)/main\.c$"),
    (r"fido\.h|fido/.*", r"token/(?!soft/)"),
    (r"winscard\.h", r"token/card/pcsc\.c$"),
    (r"hidapi\.h", r"token/hid[a-z-]*\.[ch]$"),
    (r"cbor\.h", r"token/"),
    (r"openssl/.*", r"token/|daemon/mac1\.c$|tunnel/(blake2s|aead-[a-z-]*)\.c$"),
    (r"(link|malloc)\.h", r"tunnel/settle\.c$"),
    (r"intel-ipsec-mb\.h|dlfcn\.h", r"tunnel/aead-ipsec-mb\.c$"),
    (r"seccomp\.h", r"token/|tunnel/(privileges|socket)\.c$"),
    (r"linux/rtnetlink\.h", r"agent/|tunnel/link\.c$"),
    (r"libmnl/.*|linux/(wireguard|genetlink|if_link)\.h", r"agent/"),
    (r"linux/usb/.*", r"token/soft/usb\.c$"),
    (r"jansson\.h", r"(daemon|agent|client)/"),
]

# The C library and the kernel. Anything else is a library that wants a row above.
LIBC = re.compile(
    r"(assert|ctype|dirent|endian|errno|fcntl|fnmatch|getopt|glob|grp|inttypes|langinfo|limits|locale|math|poll|pthread|pwd|sched|setjmp"
    r"|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|syslog|termios|time|uchar|unistd|wchar)\.h"
    r"|(arpa|asm|linux|net|netinet|sys)/[a-z0-9_]+\.h|sanitizer/[a-z]+_interface\.h")


# What token/x25519 may count on; string.h only where there is one (token/x25519/mem.h).
FREESTANDING = ("stdbool.h", "stddef.h", "stdint.h", "string.h")


def layer_of(path):
    return next((allowed for files, allowed in LAYERS if re.match(files, path)), None)


def fence_of(header):
    return next((home for headers, home in FENCES if re.fullmatch(headers, header)), None)


def reached(top, path, seen):
    """(system header, the chain of includes to it) for all that path includes, through the project's headers."""
    for number, header, system in includes(top, path):
        here = f"{path}:{number}"
        if system:
            yield header, here
        elif header not in seen and os.path.exists(os.path.join(top, header)):
            seen.add(header)
            for inner, chain in reached(top, header, seen):
                yield inner, f"{here} -> {chain}"


def offences(top):
    for path in sources(top, folders=PRODUCT):
        allowed = layer_of(path)
        for number, header, system in includes(top, path):
            if system:
                continue
            if not os.path.exists(os.path.join(top, header)):
                yield f'{path}:{number}: "{header}" is not a path from the top of the tree'
            elif not re.match(allowed, header):
                yield f'{path}:{number}: "{header}" lies in a layer that {os.path.dirname(path)}/ may not include'
        for header, chain in reached(top, path, set()):
            home = fence_of(header)
            if path.startswith("token/x25519/") and header not in FREESTANDING:
                yield f"{chain}: <{header}>: {path} goes into firmware, where there is no libc"
            elif home is None and not LIBC.fullmatch(header):
                yield f"{chain}: <{header}> is no header of libc, and no fence says where it belongs"
            elif home is not None and not re.match(home, path):
                yield f"{chain}: <{header}> does not belong in {path}"


# file, its text, whether it is an offence; all in one tree
SAMPLES = [
    ("common/secret.h", "#include <stdint.h>\n", False),
    ("common/secret.c", '#include <sodium.h>\n#include "common/secret.h"\n', False),
    ("common/config.c", "#include <ini.h>\n", False),
    ("common/json.c", "#include <jansson.h>\n", True),
    ("common/up.c", '#include "daemon/broker.h"\n', True),
    ("common/parse.c", "  #  include <ini.h>\n", True),
    ("daemon/broker.h", "#include <systemd/sd-event.h>\n", False),
    ("daemon/bus.h", '#include "daemon/broker.h"\n#include <systemd/sd-bus.h>\n', False),
    ("daemon/bus-peer.c", '#include "daemon/bus.h"\n', False),
    ("daemon/polkit.c", "#include <systemd/sd-bus.h>\n", False),
    ("daemon/tunnel.c", "#include <systemd/sd-bus.h>\n", True),
    ("daemon/request.c", '#include "daemon/bus.h"\n', True),
    ("daemon/usb.c", "#include <hidapi.h>\n", True),
    ("daemon/mac1.c", "#include <openssl/evp.h>\n", False),
    ("daemon/keystore.c", "#include <openssl/evp.h>\n", True),
    ("daemon/worker.c", '#include "token/worker.h"\n', True),
    ("token/worker.h", '#include "common/secret.h"\n#include <fido.h>\n', False),
    ("token/hid-open.c", "#include <hidapi.h>\n", False),
    ("token/worker.c", "#include <hidapi.h>\n", True),
    ("token/up.c", '#include "daemon/broker.h"\n', True),
    ("token/bus.c", "#include <systemd/sd-bus.h>\n", True),
    ("token/soft/ctap.c", "#include <cbor.h>\n#include <openssl/evp.h>\n", False),
    ("token/soft/fido.c", "#include <fido.h>\n", True),
    ("token/x25519/good.c", '#include "token/x25519/good.h"\n#include <stdint.h>\n', False),
    ("token/x25519/good.h", "#include <stddef.h>\n", False),
    ("token/x25519/secret.c", '#include "common/secret.h"\n', True),
    ("token/x25519/crypto.c", "#include <sodium.h>\n", True),
    ("token/x25519/print.c", "#include <stdio.h>\n", True),
    ("token/soft/x25519.c", '#include "token/x25519/good.h"\n', False),
    ("agent/device.c", "#include <libmnl/libmnl.h>\n", False),
    ("agent/guard.c", "#include <systemd/sd-bus.h>\n", True),
    ("agent/broker.c", '#include "daemon/broker.h"\n', True),
    ("bus/bus.h", "#include <systemd/sd-bus.h>\n", False),
    ("bus/lease.h", "\n", False),
    ("bus/agent.c", '#include "agent/device.h"\n', True),
    ("agent/lease.c", '#include "bus/lease.h"\n', False),
    ("agent/ask.c", '#include "bus/bus.h"\n', True),
    ("client/status.h", "#include <systemd/sd-bus.h>\n", False),
    ("client/cmd-status.c", '#include "client/status.h"\n#include <jansson.h>\n', False),
    ("client/cmd-agent.c", '#include "agent/device.h"\n', True),
    ("agent/device.h", "\n", False),
    ("client/netlink.c", "#include <linux/wireguard.h>\n", True),
    ("client/gui.c", "#include <gtk/gtk.h>\n", True),
    ("client/relative.c", '#include "status.h"\n', True),
]


def self_test():
    with tempfile.TemporaryDirectory() as top:
        for path, text, _ in SAMPLES:
            os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
            with open(os.path.join(top, path), "w", encoding="utf-8") as f:
                f.write(text)
        found = list(offences(top))
    caught = {offence.split(":")[0] for offence in found}
    wrong = [f"self-test: {path} was {'not ' if bad else ''}reported" for path, _, bad in SAMPLES if (path in caught) != bad]
    if not any(offence.startswith("daemon/request.c:1 -> daemon/bus.h:2: <systemd/sd-bus.h>") for offence in found):
        wrong.append("self-test: an include through another header was not seen")
    return wrong


def main():
    problems = self_test() + list(offences(os.environ.get("top_srcdir", ".")))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
