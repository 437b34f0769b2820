# SPDX-License-Identifier: GPL-2.0-or-later
"""What every test on a message bus of its own needs: the bus, the time that the broker tells, and pipes with secrets."""
import os
import time

import dbus

PATIENCE = 120  # seconds, for a machine that is busy; nothing waits this long when all is well

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
{policy}
</busconfig>
"""


def private_bus(directory, policy):
    """The address of a bus in this directory, and the command that runs it and says a line once it is there."""
    path, config = os.path.join(directory, "bus"), os.path.join(directory, "bus.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write(CONFIG.format(path=path, policy=policy))
    return "unix:path=" + path, ["dbus-daemon", "--nofork", "--nopidfile", "--print-address", "--config-file=" + config]


def boottime_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def pipe_with(data):
    """The read end of a pipe that holds data, its write end closed."""
    r, w = os.pipe()
    os.write(w, data)
    os.close(w)
    fd = dbus.types.UnixFd(r)
    os.close(r)
    return fd
