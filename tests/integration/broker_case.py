# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the broker share: a private bus with the project's own policy, a mock polkit, software tokens, the
broker itself, and ways to call it."""
import base64
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import dbus
import dbus.bus
import dbus.lowlevel

from private_bus import PATIENCE, boottime_us, pipe_with, private_bus  # noqa: F401, the tests take some of them from here

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SOURCE = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..")))
WGFIDOD = os.path.join(BUILD, "daemon", "wgfidod")
WORKER = os.path.join(BUILD, "token", "wgfido-token")
SOFTTOKEN = os.path.join(BUILD, "token", "soft", "wgfido-softtoken")
HERE = os.path.dirname(os.path.abspath(__file__))
OTHER_UID = 65534 if os.getuid() != 65534 else 65533  # somebody else, for tests that run as root

NAME = "org.wgfido1"
ROOT = "/org/wgfido1"
MANAGER = "org.wgfido1.Manager"
TUNNEL = "org.wgfido1.Tunnel"
PEER = "org.wgfido1.Peer"
TOKEN = "org.wgfido1.Token"
ERROR = "org.wgfido1.Error."

BUS_POLICY = """<policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/>
<allow send_destination="org.freedesktop.PolicyKit1"/><allow send_destination="org.freedesktop.login1"/></policy>
<policy user="{uid}"><allow own="org.freedesktop.PolicyKit1"/><allow own="org.freedesktop.login1"/></policy>
"""
POLKITD = next((p for p in (os.environ.get("POLKITD", ""), "/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")
                if p and os.access(p, os.X_OK)), None)


def project_policy(broker_uid, agent_uid):
    """dbus/org.wgfido1.conf with the users of this machine."""
    with open(os.path.join(SOURCE, "dbus", "org.wgfido1.conf"), encoding="utf-8") as f:
        text = f.read()
    text = re.search(r"<busconfig>(.*)</busconfig>", text, re.S).group(1)
    text = text.replace('user="wgfido"', 'user="%d"' % broker_uid)
    return text.replace('user="wgfido-net"', 'user="%d"' % agent_uid).replace('user="root"', 'user="%d"' % broker_uid)


def key(letter):
    return base64.b64encode(bytes([ord(letter)]) * 32).decode()


def read_pipe(fd):
    fd = fd.take()
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def variant(value):
    if isinstance(value, bool):
        return dbus.Boolean(value)
    if isinstance(value, int):
        return dbus.UInt64(value)
    return value


class Call(threading.Thread):
    """A method call on a connection of its own, whose answer a thread waits for."""

    def __init__(self, address, path, interface, method, args):
        super().__init__(daemon=True)
        self.bus = dbus.bus.BusConnection(address)
        self.message = dbus.lowlevel.MethodCallMessage(NAME, path, interface, method)
        self.message.append(*args)
        self.method = method
        self.value = self.error = self.pending = None

    def send(self):
        self.pending = self.bus.send_message_with_reply(self.message, self.answered, PATIENCE)
        self.bus.flush()

    def begin(self):
        """Sends it, and comes back when the broker has read it: other connections may overtake this one before that."""
        self.send()
        try:
            self.bus.send_message_with_reply_and_block(
                dbus.lowlevel.MethodCallMessage(NAME, "/", "org.freedesktop.DBus.Peer", "Ping"), PATIENCE)
        except dbus.DBusException:
            pass  # the answer to the call says the same
        self.start()
        return self

    def run(self):
        self.pending.block()

    def answered(self, message):
        values = message.get_args_list()
        if isinstance(message, dbus.lowlevel.ErrorMessage):
            self.error = dbus.DBusException(*values, name=message.get_error_name())
        else:
            self.value = values[0] if len(values) == 1 else tuple(values) if values else None

    def finish(self):
        self.join(2 * PATIENCE)
        if self.is_alive():
            raise AssertionError("%s was not answered" % self.method)
        self.bus.close()
        if self.error:
            raise self.error
        return self.value


# Interactive: polkit has the time for an answer that a person would need.
CALLER = """import sys, dbus, dbus.bus, dbus.lowlevel
m = dbus.lowlevel.MethodCallMessage("org.wgfido1", sys.argv[2], sys.argv[3], "Approve")
m.set_allow_interactive_authorization(True)
m.append({"wait": dbus.Boolean(True)} if sys.argv[4:] else {}, signature="a{sv}")
dbus.bus.BusConnection(sys.argv[1]).send_message_with_reply_and_block(m, %d)
""" % PATIENCE


class Token:
    """A software token: a state file, and while plugged in a process with a socket in the directory of tokens."""

    def __init__(self, case, name, touch="auto", pin=None):
        self.case, self.name, self.touching = case, name, touch
        self.state = os.path.join(case.dir, name + ".state")
        self.socket = os.path.join(case.tokens if not pin else case.dir, name)
        self.process = None
        if pin:
            # A state file comes into being when the token is first run; here where no broker sees it.
            self.plug(wait=False)
            self.unplug(wait=False)
            self.socket = os.path.join(case.tokens, name)
            self.set_pin(pin)

    def tool(self, verb, *args, **kwargs):
        return subprocess.run([SOFTTOKEN, verb, *args], check=True, capture_output=True, text=True,
                              timeout=PATIENCE, **kwargs)

    def set_pin(self, pin):
        self.tool("set-pin", "--state", self.state, input=pin + "\n")

    def plug(self, wait=True, args=()):
        if self.process:
            raise AssertionError("%s is plugged in already" % self.name)
        self.process = subprocess.Popen([SOFTTOKEN, "run", "--state", self.state, "--socket", self.socket,
                                         "--touch", self.touching, "--name", self.name, "--quiet", *args])
        self.case.wait_for(lambda: os.path.exists(self.socket), "%s plugged in" % self.name)
        if wait:
            self.case.wait_for(self.is_known, "%s known to the broker" % self.name)
        return self

    def unplug(self, wait=True):
        self.process.terminate()
        self.process.wait()
        self.process = None
        if wait:
            self.case.wait_for(lambda: not self.path(), "%s gone from the broker" % self.name)
        return self

    def path(self):
        for path, interfaces in self.case.objects().items():
            if TOKEN in interfaces and interfaces[TOKEN]["Id"] == "soft-" + self.name:
                return path
        return None

    def properties(self):
        return self.case.objects()[self.path()][TOKEN]

    def is_known(self):
        path = self.path()
        return path and self.case.get(path, TOKEN, "Capabilities") and not self.case.get(path, TOKEN, "Busy")

    def touch(self):
        self.tool("touch", "--socket", self.socket, "--timeout", str(PATIENCE))

    def status(self):
        return self.tool("status", "--socket", self.socket).stdout.strip()


class BrokerCase(unittest.TestCase):
    maxDiff = None
    AGENT_UID = os.getuid()

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wgfido-broker.")
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)  # for callers of another uid
        self.etc, self.state, self.tokens = (os.path.join(self.dir, d) for d in ("etc", "state", "tokens"))
        for d in (self.etc, self.tokens):
            os.mkdir(d)
        self.keys = os.path.join(self.state, "keys")
        self.processes = []
        self.daemon = None
        self.addCleanup(self.stop_all)
        self.plugged = []
        self.start_bus()
        self.polkit = None
        self.answers = os.path.join(self.dir, "answers")
        self.questions = os.path.join(self.dir, "questions")
        self.polkit_says({"*": "yes"})
        self.log = os.path.join(self.dir, "log")

    # The surroundings

    def start_bus(self):
        policy = BUS_POLICY.format(uid=os.getuid()) + self.policy() + self.polkitd_policy()
        self.address, command = private_bus(self.dir, policy)
        self.bus_daemon = self.spawn(command, ready=True, stderr=subprocess.DEVNULL)
        self.bus = dbus.bus.BusConnection(self.address)
        self.addCleanup(self.bus.close)

    @staticmethod
    def polkitd_policy():
        try:
            return '<policy user="%d"><allow own="org.freedesktop.PolicyKit1"/></policy>' % pwd.getpwnam("polkitd").pw_uid
        except KeyError:
            return ""

    def policy(self):
        return project_policy(os.getuid(), self.AGENT_UID)

    def spawn(self, argv, ready=False, **kwargs):
        p = subprocess.Popen(argv, stdout=subprocess.PIPE if ready else None, **kwargs)
        self.processes.append(p)
        if ready and not p.stdout.readline():
            raise AssertionError("%s did not start" % argv[0])
        return p

    def stop_all(self):
        for t in self.plugged:
            if t.process:
                t.process.terminate()
                t.process.wait()
        clean = True
        if self.daemon:
            clean = self.stop_broker() == 0
        for p in reversed(self.processes):
            p.terminate()
            p.wait()
            if p.stdout:
                p.stdout.close()
        if not clean:
            with open(self.log, encoding="utf-8") as f:
                raise AssertionError("the broker did not end well:\n" + f.read())

    def start_polkit(self):
        self.polkit = self.spawn([sys.executable, "-B", os.path.join(HERE, "mock_polkit.py"), self.address,
                                  self.answers, self.questions], ready=True)

    def start_real_polkit(self, rules):
        """The distribution's polkitd with this project's actions, and with rules; in a mount namespace, as it reads them
        from fixed directories only."""
        if not POLKITD:
            self.skipTest("there is no polkitd here")
        if os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            self.skipTest("a mount namespace is needed for polkitd")
        actions, rules_dir = os.path.join(self.dir, "actions"), os.path.join(self.dir, "rules")
        for d in (actions, rules_dir):
            os.mkdir(d)
        shutil.copy(os.path.join(SOURCE, "polkit", NAME + ".policy"), actions)
        with open(os.path.join(rules_dir, "10-test.rules"), "w", encoding="utf-8") as f:
            f.write(rules)
        self.polkit = self.spawn(
            ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /usr/share/polkit-1/actions && '
             'mount --bind "$2" /usr/share/polkit-1/rules.d && exec "$0" --no-debug', POLKITD, actions, rules_dir],
            env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address))
        self.wait_for(lambda: self.bus.name_has_owner("org.freedesktop.PolicyKit1"), "polkitd")

    def polkit_says(self, answers):
        with open(self.answers + ".new", "w", encoding="utf-8") as f:
            json.dump(answers, f)
        os.rename(self.answers + ".new", self.answers)

    def polkit_asked(self):
        try:
            with open(self.questions, encoding="utf-8") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def start_broker(self, *args, agent_uid=None, polkit=True, wait=True, **kwargs):
        if polkit and not self.polkit and os.getuid() != 0:
            self.start_polkit()
        env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address)
        with open(self.log, "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [WGFIDOD, "--agent-uid", str(self.AGENT_UID if agent_uid is None else agent_uid), "--config-dir",
                 self.etc, "--state-dir", self.state, "--token-worker", WORKER, "--soft-tokens", self.tokens,
                 "--no-udev", "--debug", *args], env=env, stderr=log, **kwargs)
        if wait:
            self.wait_for(lambda: self.bus.name_has_owner(NAME) or self.daemon.poll() is not None, "the broker")
            self.assertIsNone(self.daemon.poll(), self.read_log())
        return self.daemon

    def stop_broker(self, sig=signal.SIGTERM):
        daemon, self.daemon = self.daemon, None
        if daemon.poll() is None:
            daemon.send_signal(sig)
        return daemon.wait(PATIENCE)

    def read_log(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read()

    def wait_for(self, condition, what):
        end = time.monotonic() + PATIENCE
        while True:
            got = condition()
            if got:
                return got
            if time.monotonic() > end:
                log = self.read_log() if os.path.exists(self.log) else ""
                raise AssertionError("it did not come: %s\n%s" % (what, log))
            select.select([], [], [], 0.01)

    def token(self, name="blue", plug=True, **kwargs):
        t = Token(self, name, **kwargs)
        self.plugged.append(t)
        return t.plug() if plug else t

    def config(self, ifname="wg0", mode="psk", peers="A", extra="", peer_extra=""):
        text = "[Interface]\nMode = %s\n" % mode
        if mode == "psk":
            text += "PublicKey = %s\n" % key("C")
        text += extra
        for p in peers:
            text += "[Peer]\nPublicKey = %s\n%s" % (key(p), peer_extra)
        with open(os.path.join(self.etc, ifname + ".conf"), "w", encoding="utf-8") as f:
            f.write(text)

    # Objects and calls

    def objects(self):
        proxy = self.bus.get_object(NAME, ROOT, introspect=False)
        return proxy.GetManagedObjects(dbus_interface="org.freedesktop.DBus.ObjectManager")

    def tunnel(self, ifname="wg0"):
        return ROOT + "/tunnel/" + ifname

    def peer(self, letter="A", ifname="wg0"):
        return self.tunnel(ifname) + "/peer/" + (bytes([ord(letter)]) * 32).hex()

    def get(self, path, interface, name):
        try:
            proxy = self.bus.get_object(NAME, path, introspect=False)
            return proxy.Get(interface, name, dbus_interface="org.freedesktop.DBus.Properties")
        except dbus.DBusException as e:
            if e.get_dbus_name() == "org.freedesktop.DBus.Error.UnknownObject":
                return None
            raise

    def tunnel_state(self, ifname="wg0"):
        return str(self.get(self.tunnel(ifname), TUNNEL, "State"))

    def begin(self, path, interface, method, *args):
        return Call(self.address, path, interface, method, args).begin()

    def begin_mortal(self, path, interface, *wait):
        """An Approve() from a process that can be killed."""
        return self.spawn([sys.executable, "-B", "-c", CALLER, self.address, path, interface, *wait],
                          stderr=subprocess.DEVNULL)

    def call(self, path, interface, method, *args):
        return self.begin(path, interface, method, *args).finish()

    @staticmethod
    def options(**kwargs):
        return dbus.Dictionary({k.replace("_", "-"): variant(v) for k, v in kwargs.items()}, signature="sv")

    def approve(self, ifname="wg0", **options):
        return self.call(self.tunnel(ifname), TUNNEL, "Approve", self.options(**options))

    def begin_approve(self, ifname="wg0", **options):
        return self.begin(self.tunnel(ifname), TUNNEL, "Approve", self.options(**options))

    def enroll(self, ifname="wg0", **options):
        options.setdefault("recovery", False)
        return self.call(self.tunnel(ifname), TUNNEL, "Enroll", self.options(**options))

    def not_at_the_end_of(self, seconds, last=10):
        """Waits where a slot of so many seconds would be over before some calls are: which number it has."""
        self.wait_for(lambda: time.time() % seconds < seconds - last, "a slot's beginning")
        return int(time.time() // seconds)

    def get_psk(self, letter="A", ifname="wg0", **options):
        psk, start, end = self.call(self.peer(letter, ifname), PEER, "GetPsk", self.options(**options))
        return read_pipe(psk), int(start), int(end)

    def assertRefused(self, name, function, *args, text=None, **kwargs):
        with self.assertRaises(dbus.DBusException) as caught:
            function(*args, **kwargs)
        e = caught.exception
        self.assertEqual(e.get_dbus_name(), name if "." in name else ERROR + name, e.get_dbus_message())
        if text:
            self.assertRegex(e.get_dbus_message(), text)
        return e

    def as_other(self, function):
        """Runs function in a process of another uid; it must return something JSON, or raise a DBusException."""
        if os.getuid() != 0:
            self.skipTest("only root can be two users")
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setgid(OTHER_UID)
                os.setuid(OTHER_UID)
                answer = {"value": function()}
            except dbus.DBusException as e:
                answer = {"name": e.get_dbus_name(), "message": e.get_dbus_message()}
            except BaseException as e:  # nothing may escape from the child
                answer = {"name": "test", "message": repr(e)}
            os.write(w, json.dumps(answer).encode())
            os._exit(0)
        os.close(w)
        with os.fdopen(r) as f:
            answer = json.load(f)
        os.waitpid(pid, 0)
        if "name" in answer:
            raise dbus.DBusException(answer["message"], name=answer["name"])
        return answer["value"]
