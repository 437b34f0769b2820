# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of wgfido-prompt share: a session bus with a notification daemon beside the broker's system bus, the agent's
files, a pinentry that does as it is told, and the program itself."""
import json
import os
import signal
import stat
import subprocess
import sys

import dbus
import dbus.bus

from broker_case import BUILD, HERE, PATIENCE, TUNNEL, BrokerCase
from private_bus import private_bus

PROMPT = os.path.join(BUILD, "client", "wgfido-prompt")
MOCK = "org.wgfido1.Mock"
NOTIFICATIONS = "org.freedesktop.Notifications"
NOTIFICATIONS_PATH = "/org/freedesktop/Notifications"
EVERYTHING = '<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>'

# Speaks as pinentry does, and answers from a list: a PIN, "CANCEL", "TIMEOUT", "YES" (to CONFIRM), "HANG", "LATER" (what
# answer_now() says then), or "RAW ..." as it is.
PINENTRY = r"""#!{python} -u
import os, signal, sys
directory = {directory!r}
def note(text):
    with open(os.path.join(directory, "heard"), "a") as f:
        f.write(text + "\n")
def answer():
    with open(os.path.join(directory, "answers")) as f:
        answers = f.read().splitlines()
    with open(os.path.join(directory, "answers"), "w") as f:
        f.write("\n".join(answers[1:]))
    if answers[:1] == ["LATER"]:
        with open(os.path.join(directory, "later")) as f:
            return f.read()
    return answers[0] if answers else "CANCEL"
note("START %d" % os.getpid())
print("OK Pleased to meet you")
for line in sys.stdin:
    line = line.rstrip("\n")
    note(line)
    if line in ("GETPIN", "CONFIRM"):
        a = answer()
        if a == "HANG":
            signal.pause()  # as a dialog that does not look at its input
        elif a == "CANCEL":
            print("ERR 83886179 Operation cancelled <Pinentry>")
        elif a == "TIMEOUT":
            print("ERR 83886142 Timeout <Pinentry>")
        elif a == "YES":
            print("OK")
        elif a == "DIE":
            sys.exit(0)
        elif a.startswith("RAW "):
            os.write(1, a[4:].encode().decode("unicode_escape").encode("latin1"))
        else:
            print("D " + a.replace("%", "%25"))
            print("OK")
    elif line.startswith("OPTION"):
        print("ERR 83886254 Unknown option <Pinentry>")
    else:
        print("OK")
"""


class PromptCase(BrokerCase):
    def setUp(self):
        super().setUp()
        self.run_dir = os.path.join(self.dir, "run")
        os.mkdir(self.run_dir)
        session = os.path.join(self.dir, "session")
        os.mkdir(session)
        self.session_address, command = private_bus(session, EVERYTHING)
        self.session_daemon = self.spawn(command, ready=True, stderr=subprocess.DEVNULL)
        self.session = dbus.bus.BusConnection(self.session_address)
        self.session.set_exit_on_disconnect(False)
        self.addCleanup(self.session.close)
        self.told = os.path.join(self.dir, "told")
        self.prompt_log = os.path.join(self.dir, "prompt-log")
        self.pinentry = os.path.join(self.dir, "pinentry")
        with open(self.pinentry, "w", encoding="utf-8") as f:
            f.write(PINENTRY.format(python=sys.executable, directory=self.dir))
        os.chmod(self.pinentry, 0o700)
        self.answers_file, self.heard_file = os.path.join(self.dir, "answers-pin"), os.path.join(self.dir, "heard")
        self.prompt = self.notifications = None

    # The surroundings

    def start_notifications(self, capabilities="actions,body,body-markup"):
        self.notifications = self.spawn(
            [sys.executable, "-B", os.path.join(HERE, "mock_notifications.py"), self.session_address, capabilities, self.told],
            ready=True)

    def stop_notifications(self):
        self.notifications.terminate()
        self.notifications.wait()
        self.wait_for(lambda: not self.session.name_has_owner(NOTIFICATIONS), "the notification daemon to go")

    def environment(self):
        return dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address, DBUS_SESSION_BUS_ADDRESS=self.session_address,
                    WGFIDO_AGENT_RUNDIR=self.run_dir, LC_ALL="C.UTF-8")

    def start_prompt(self, *args, wait=True, **env):
        before = len(self.read_prompt_log())
        with open(self.prompt_log, "a", encoding="utf-8") as log:
            self.prompt = subprocess.Popen([PROMPT, "--debug", "--pinentry", self.pinentry, *args],
                                           env=dict(self.environment(), **env), stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append(self.prompt)
        if wait:
            self.wait_for(lambda: self.session.name_has_owner("org.wgfido1.Prompt") or self.prompt.poll() is not None,
                          "wgfido-prompt")
            self.assertIsNone(self.prompt.poll(), self.read_prompt_log())
            # What comes from here on is news.
            self.saw("tunnels seen", before)

    def stop_prompt(self, sig=signal.SIGTERM):
        self.prompt.send_signal(sig)
        return self.prompt.wait(PATIENCE)

    def read_prompt_log(self):
        if not os.path.exists(self.prompt_log):
            return ""
        with open(self.prompt_log, encoding="utf-8") as f:
            return f.read()

    def agent(self, state, ifname="wg0", **more):
        """What wgfido-rotate would write, in the way it writes it."""
        path = os.path.join(self.run_dir, ifname + ".json")
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump(dict({"interface": ifname, "state": state, "mode": "psk", "role": "client"}, **more), f)
        os.rename(path + ".new", path)

    def saw(self, what, after=0):
        """wgfido-prompt knows it; changes that come at once are one to it."""
        self.wait_for(lambda: what in self.read_prompt_log()[after:], "word of " + what)

    def come_up(self):
        """The interface goes and comes, closed."""
        before = len(self.read_prompt_log())
        self.agent("absent")
        self.saw("absent for the agent", before)
        self.agent("closed")

    def enrolled(self, touch="manual", pin=None, name="office", **options):
        """A broker, and a token that is enrolled for wg0."""
        self.config(extra="Name = %s\n" % name if name else "")
        self.start_broker()
        token = self.token(pin=pin)
        if pin:
            options["pin"] = self.pin_pipe(pin)
        self.call(self.tunnel(), TUNNEL, "Enroll", self.dictionary(recovery=False, **options))
        token.touching = touch
        if touch != "auto":
            token.unplug().plug()
        return token

    @staticmethod
    def pin_pipe(pin):
        r, w = os.pipe()
        os.write(w, pin.encode())
        os.close(w)
        fd = dbus.types.UnixFd(r)
        os.close(r)
        return fd

    def dictionary(self, **options):
        return self.options(**options)

    # The screen

    def lines(self):
        try:
            with open(self.told, encoding="utf-8") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_notify(self, summary, after=0):
        """The last notification, once it has this summary."""
        def found():
            lines = [line for line in self.lines()[after:] if line["what"] == "notify"]
            return lines and summary in lines[-1]["summary"] and lines[-1]
        return self.wait_for(found, "the notification %r; there was %r" % (summary, self.lines()))

    def wait_close(self, notification):
        self.wait_for(lambda: any(line["what"] == "close" and line["id"] == notification["id"] for line in self.lines()),
                      "the end of %r" % notification["summary"])

    def mock(self, method, *args):
        proxy = self.session.get_object(NOTIFICATIONS, NOTIFICATIONS_PATH, introspect=False)
        proxy.get_dbus_method(method, MOCK)(*args)

    def click(self, notification, action=None):
        self.mock("Click", dbus.UInt32(notification["id"]), action or notification["actions"][0])

    def dismiss(self, notification):
        self.mock("Dismiss", dbus.UInt32(notification["id"]))

    # The dialog

    def will_answer(self, *answers):
        with open(os.path.join(self.dir, "answers"), "w", encoding="utf-8") as f:
            f.write("\n".join(answers))

    def will_answer_later(self, *more):
        os.mkfifo(os.path.join(self.dir, "later"))
        self.will_answer("LATER", *more)

    def answer_now(self, answer):
        """To the dialog that waits for it; waits for the dialog."""
        with open(os.path.join(self.dir, "later"), "w", encoding="utf-8") as f:
            f.write(answer)

    def heard(self):
        try:
            with open(self.heard_file, encoding="utf-8") as f:
                return [line.rstrip("\n") for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def dialog_pid(self):
        return [int(line.split()[1]) for line in self.heard() if line.startswith("START")][-1]

    @staticmethod
    def is_running(pid):
        try:
            with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def mode_of(self, path):
        return stat.S_IMODE(os.stat(path).st_mode)
