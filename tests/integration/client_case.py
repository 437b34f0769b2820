# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the command line share: a directory, a bus, a fake broker, and the program run plainly or on a pty."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_broker as fake  # noqa: E402
from private_bus import PATIENCE  # noqa: E402

BUILD = os.environ.get("top_builddir", ".")
WGFIDO = os.path.abspath(os.path.join(BUILD, "client", "wgfido"))
KEY = {c: __import__("base64").b64encode(bytes([ord(c)]) * 32).decode() for c in "ABCDEFGHSTXYZ"}


class Terminal:
    """The program on a terminal of its own: what it wrote, and somebody who types."""

    def __init__(self, argv, env, pass_fds=()):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # A test run in the background has these ignored, which lasts through exec.
            for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(sig, signal.SIG_DFL)
            os.execve(argv[0], argv, env)

    def expect(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text):
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError("%r did not come; there was: %r" % (pattern, self.text))
        match = re.search(pattern, self.text)
        self.text = self.text[match.end():]
        return match

    def _read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self):
        while self._read(PATIENCE):
            pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Runner:
    """For a unittest.TestCase with self.dir: the program, in directories of the test's."""

    def prepare_client(self, address):
        modules = os.path.join("root", "lib", "modules", os.uname().release)
        for d in ("etc", "run", "wireguard", modules):
            os.makedirs(os.path.join(self.dir, d), exist_ok=True)
        # For doctor, a machine whose kernel has WireGuard.
        with open(os.path.join(self.dir, modules, "modules.builtin"), "w", encoding="utf-8") as f:
            f.write("kernel/drivers/net/wireguard/wireguard.ko\n")
        self.env = dict(
            os.environ,
            DBUS_SYSTEM_BUS_ADDRESS=address,
            WGFIDO_CONFIG_DIR=os.path.join(self.dir, "etc"),
            WGFIDO_AGENT_RUNDIR=os.path.join(self.dir, "run"),
            WGFIDO_WIREGUARD_CONFDIR=os.path.join(self.dir, "wireguard"),
            WGFIDO_ROOT=os.path.join(self.dir, "root"),
            LC_ALL="C.UTF-8",
            TZ="UTC",
            TERM="xterm",
        )

    def where(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, data):
        with open(self.where(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def write_at_once(self, name, data):
        """For somebody who reads it meanwhile: all of it, or what was there before."""
        self.write(name + ".new", data)
        os.rename(self.where(name + ".new"), self.where(name))

    def read(self, name):
        with open(self.where(name), "rb") as f:
            return f.read()

    def wgfido(self, *argv, status=0, **kw):
        """Away from any terminal: pipes, and no controlling one to ask at."""
        done = subprocess.run(
            [WGFIDO, *argv],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            timeout=PATIENCE,
            check=False,
            **kw,
        )
        self.out, self.err = done.stdout.decode(), done.stderr.decode()
        if status is not None:
            self.assertEqual(done.returncode, status, "wgfido %s: %s%s" % (" ".join(argv), self.out, self.err))
        self.assertIn(done.returncode, range(64), self.err)  # no signal, no sanitizer
        return self.out

    def terminal(self, *argv):
        return Terminal([WGFIDO, *argv], self.env)


class ClientCase(Runner, unittest.TestCase):
    """Against the fake broker."""

    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wgfido-client.")
        self.addCleanup(shutil.rmtree, self.dir)
        self.bus = fake.Bus(self.dir)
        self.addCleanup(self.bus.close)
        self.prepare_client(self.bus.address)
        self.broker = None

    def start_broker(self):
        self.broker = fake.Broker(self.bus.address)
        self.addCleanup(self.broker.close)
        return self.broker


__all__ = ["ClientCase", "Runner", "Terminal", "fake", "KEY", "WGFIDO", "signal", "unittest"]
