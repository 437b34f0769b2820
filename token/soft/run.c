/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/run.h"

#include <errno.h>
#include <limits.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "token/soft/control.h"
#include "token/soft/transport.h"
#include "token/soft/verbs.h"

struct token {
	const struct run_options *options;
	struct store store;
	struct ctap2 ctap2;
	struct soft_x25519 *x25519; /* NULL with --no-x25519 */
	struct softhid hid;
	struct transport *transport;
	struct control control;
	int signal_fd;
	bool tty_open;
	bool announced; /* that a touch is wanted */
};

static uint64_t now_us(void)
{
	return clock_now(&clock_system).boot_us;
}

static int on_save(void *userdata)
{
	struct token *t = userdata;
	int r = store_save(&t->store);

	if (r < 0)
		log_error("%s: cannot be written: %s", t->options->state, strerror(-r));
	return r;
}

static void after_reset(void *userdata)
{
	struct token *t = userdata;

	if (t->x25519 && soft_x25519_reset(t->x25519) < 0)
		log_error("%s: no new X25519 identity", t->options->state);
}

static void on_send(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	struct token *t = userdata;

	t->transport->ops->send(t->transport, report);
}

static void say(const struct token *t, const char *text)
{
	if (t->options->quiet)
		return;
	printf("%s: %s\n", t->options->name, text);
	fflush(stdout);
}

/* Gives touches that need no one, and tells the person about those that do. */
static void settle_touch(struct token *t)
{
	if (t->options->touch == RUN_TOUCH_AUTO)
		softhid_touch(&t->hid, CTAP2_TOUCH_GIVEN, now_us());
	else
		control_apply(&t->control, now_us());
	if (softhid_touch_wanted(&t->hid) == t->announced)
		return;
	t->announced = !t->announced;
	if (!t->announced)
		say(t, "no touch is wanted any more");
	else if (t->options->touch == RUN_TOUCH_TTY)
		say(t, "touch wanted: press Enter");
	else
		say(t, "touch wanted");
}

static void on_report(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	struct token *t = userdata;

	softhid_receive(&t->hid, report, now_us());
	settle_touch(t);
}

/* What was typed before the touch was wanted is no touch: every line is read, and counts only when it comes
 * in time. */
static void read_tty(struct token *t)
{
	char buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		t->tty_open = false;
	else if (n > 0 && memchr(buf, '\n', (size_t)n))
		softhid_touch(&t->hid, CTAP2_TOUCH_GIVEN, now_us());
}

static int poll_timeout(const struct softhid *h)
{
	uint64_t deadline = softhid_deadline(h), now = now_us(), ms;

	if (deadline == US_NEVER)
		return -1;
	if (deadline <= now)
		return 0;
	ms = (deadline - now + US_PER_MS - 1) / US_PER_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int loop(struct token *t)
{
	for (;;) {
		struct pollfd fds[] = {
			{.fd = t->signal_fd, .events = POLLIN},
			{.fd = t->transport->ops->fd(t->transport), .events = POLLIN},
			{.fd = t->control.server.epoll_fd, .events = POLLIN},
			{.fd = t->tty_open ? STDIN_FILENO : -1, .events = POLLIN},
		};

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), poll_timeout(&t->hid)) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[0].revents)
			return 0;
		if (fds[1].revents)
			t->transport->ops->dispatch(t->transport);
		if (t->transport->gone) {
			log_error("the kernel has unplugged it");
			return -ENODEV;
		}
		if (fds[2].revents)
			server_dispatch(&t->control.server);
		if (fds[3].revents)
			read_tty(t);
		softhid_tick(&t->hid, now_us());
		settle_touch(t);
	}
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int socket_error(const char *path, int r)
{
	if (r == -EADDRINUSE)
		log_error("%s: another program serves this socket", path);
	else if (r == -ENAMETOOLONG)
		log_error("%s: too long for a socket's name", path);
	else if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r;
}

static int open_control(struct token *t)
{
	const struct run_options *o = t->options;
	char *path = NULL;
	int r;

	if (!o->control && !o->socket)
		return 0;
	if (o->control)
		path = strdup(o->control);
	else if (asprintf(&path, "%s" CONTROL_SUFFIX, o->socket) < 0)
		path = NULL;
	if (!path)
		return socket_error("control socket", -ENOMEM);
	r = socket_error(
		path, control_open(&t->control, path, o->socket_mode, &t->hid, o->touch == RUN_TOUCH_AUTO));
	free(path);
	return r;
}

static int uhid_error(int r)
{
	if (r == -ENOENT || r == -ENODEV)
		log_error(TRANSPORT_UHID_NODE ": this kernel has none; as root: modprobe uhid");
	else if (r == -EACCES || r == -EPERM)
		log_error(TRANSPORT_UHID_NODE ": only root may make devices; run this with sudo, or as root: "
					      "setfacl -m u:%u:rw " TRANSPORT_UHID_NODE,
			(unsigned int)getuid());
	else if (r < 0)
		log_error(TRANSPORT_UHID_NODE ": %s", strerror(-r));
	return r;
}

static int usb_error(int r)
{
	if (r == -ENOENT)
		log_error(TRANSPORT_USB_CONTROLLER ": this kernel has no virtual USB; as root: modprobe vhci-hcd");
	else if (r == -EACCES || r == -EPERM)
		log_error(TRANSPORT_USB_CONTROLLER ": only root may plug in there; run this with sudo");
	else if (r == -EBUSY)
		log_error(TRANSPORT_USB_CONTROLLER ": all its ports are taken; unplug another one");
	else if (r < 0)
		log_error(TRANSPORT_USB_CONTROLLER ": %s", strerror(-r));
	return r;
}

static int open_usb(struct token *t, const char *serial)
{
	struct transport_usb_identity identity = {.manufacturer = "wgfido", .product = "software token"};

	snprintf(identity.serial, sizeof(identity.serial), "%s", serial);
	return usb_error(transport_usb_new(&t->transport, TRANSPORT_USB_CONTROLLER, &identity, on_report, t));
}

static int open_transport(struct token *t)
{
	const struct run_options *o = t->options;
	struct transport_uhid_identity identity;

	if (o->socket)
		return socket_error(o->socket,
			transport_unix_new(&t->transport, o->socket, o->socket_mode, on_report, t));
	snprintf(identity.name, sizeof(identity.name), "wgfido software token");
	snprintf(identity.phys, sizeof(identity.phys), "uhid/%s", o->name);
	/* Of the keys, so that it is the same token wherever it is plugged in. */
	for (size_t i = 0; i < STORE_SERIAL_SIZE; i++)
		snprintf(identity.uniq + 2 * i, 3, "%02x", t->store.data.serial[i]);
	if (o->usb)
		return open_usb(t, identity.uniq);
	return uhid_error(transport_uhid_new(&t->transport, &identity, on_report, t));
}

/* The finger before the plug: who sees the token may touch it. */
static int open_sockets(struct token *t)
{
	int r = open_transport(t);

	if (r == 0)
		r = open_control(t);
	if (r == 0) {
		r = t->transport->ops->plug(t->transport);
		if (r < 0 && t->options->usb)
			return usb_error(r);
		if (r < 0)
			return t->options->socket ? socket_error(t->options->socket, r) : uhid_error(r);
	}
	return r;
}

static int plug_x25519(struct token *t)
{
	int r = soft_x25519_new(&t->x25519, &t->store.data, on_save, t);

	if (r < 0) {
		log_error("no X25519 identity: %s", strerror(-r));
		return r;
	}
	soft_x25519_set_lie(t->x25519, t->options->lie, t->options->honest_first);
	softhid_set_handler(&t->hid, X25519_COMMAND, soft_x25519_handle, t->x25519);
	t->hid.channel_ended = soft_x25519_channel_ended;
	t->hid.channel_userdata = t->x25519;
	return 0;
}

static int plug(struct token *t)
{
	const struct run_options *o = t->options;
	uint32_t first_channel;
	int r;

	r = store_open(&t->store, o->state, true);
	if (r < 0) {
		verb_state_error(o->state, r);
		return r;
	}
	r = ctap2_init(&t->ctap2, &t->store.data, on_save, t, now_us());
	if (r == 0 && RAND_bytes((unsigned char *)&first_channel, sizeof(first_channel)) != 1)
		r = -EIO;
	if (r < 0) {
		log_error("no keys: %s", strerror(-r));
		return r;
	}
	t->ctap2.no_hmac_secret = o->no_hmac_secret;
	t->ctap2.x25519 = !o->no_x25519;
	t->ctap2.after_reset = after_reset;
	softhid_init(&t->hid, on_send, t, first_channel);
	softhid_set_handler(&t->hid, SOFTHID_CBOR, softhid_handle_cbor, &t->ctap2);
	if (!o->no_x25519) {
		r = plug_x25519(t);
		if (r < 0)
			return r;
	}
	t->hid.misbehaviour = o->misbehaviour;
	t->hid.misbehaving = o->misbehaving;
	t->hid.honest_first = o->honest_first;
	t->hid.slow_us = o->slow_us;
	t->signal_fd = open_signals();
	if (t->signal_fd < 0) {
		log_error("signals: %s", strerror(-t->signal_fd));
		return t->signal_fd;
	}
	t->tty_open = o->touch == RUN_TOUCH_TTY;
	return open_sockets(t);
}

static void unplug(struct token *t)
{
	if (t->transport)
		t->transport->ops->free(t->transport);
	control_close(&t->control);
	if (t->signal_fd >= 0)
		close(t->signal_fd);
	t->x25519 = soft_x25519_free(t->x25519);
	ctap2_clear(&t->ctap2);
	store_close(&t->store);
}

int run_token(const struct run_options *o)
{
	static struct token t; /* too large for the stack */
	int r;

	t = (struct token){.options = o, .store.lock_fd = -1, .signal_fd = -1};
	t.control.server.listen_fd = t.control.server.epoll_fd = -1;
	for (unsigned int i = 0; i < SERVER_CLIENTS_MAX; i++)
		t.control.server.clients[i] = -1;
	r = plug(&t);
	if (r == 0) {
		say(&t, "a software key, which protects nothing, is plugged in");
		r = loop(&t);
	}
	unplug(&t);
	return r;
}
