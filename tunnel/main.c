/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgfido-tunnel: the command line, and the order in which things begin and end. */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/encoding.h"
#include "common/log.h"
#include "common/names.h"
#include "common/secret.h"
#include "tunnel/bus.h"
#include "tunnel/daemonise.h"
#include "tunnel/link.h"
#include "tunnel/loop.h"
#include "tunnel/path.h"
#include "tunnel/privileges.h"
#include "tunnel/settle.h"
#include "tunnel/socket.h"
#include "tunnel/tun.h"
#include "tunnel/uapi-server.h"

#define PROGRAM "wgfido-tunnel"
#define USER "wgfido-net"
#define MEMLOCK_BYTES (64u << 20)

struct program {
	const char *ifname, *rundir;
	bool foreground, debug;
	struct privileges privileges;
	struct daemonise daemonise;
	struct tun tun;
	struct control_socket socket;
	sd_event *event;
	struct device device;
	bool has_device, has_control;
	struct path *path;
	struct control control;
	struct loop *loop;
	struct uapi_server *uapi;
	struct link *link;
	struct tunnel_bus *bus;
};

static const char usage[] =
	"Usage: wgfido-tunnel [OPTION]... IFACE\n"
	"A WireGuard interface in user space, whose private key may be in a security key.\n"
	"\n"
	"  --foreground, -f     stays in the foreground\n"
	"  --wireguard-dir DIR  where its configuration socket is (" WGFIDO_WIREGUARD_RUNDIR ")\n"
	"  --debug              says more\n"
	"  --help, --version\n"
	"\n"
	"Configure it with wg(8), or let wg-quick(8) start it: WG_QUICK_USERSPACE_IMPLEMENTATION=wgfido-tunnel.\n"
	"It ends when the interface is deleted.\n";

static int fail(const struct program *p, int r, const char *what)
{
	log_error("%s: %s: %s", p->ifname, what, strerror(-r));
	return r;
}

static void on_link_state(void *userdata, const struct link_state *state)
{
	struct program *p = userdata;
	int r;

	if (state->mtu)
		path_set_mtu(p->path, state->mtu);
	r = control_set_up(&p->control, state->up, clock_now(p->control.clock));
	if (r < 0)
		log_error("%s: it stays closed: its port cannot be had: %s", p->ifname, strerror(-r));
}

static void on_link_gone(void *userdata)
{
	struct program *p = userdata;

	log_info("%s: the interface is gone", p->ifname);
	(void)sd_event_exit(p->event, 0);
}

static int on_link(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct program *p = userdata;
	const int r = link_read(p->link);

	(void)s;
	(void)fd;
	(void)revents;
	/* An interface whose end would not be seen is not kept. */
	return r < 0 ? sd_event_exit(p->event, fail(p, r, "the watch on the interface fails")) : 0;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct program *p = userdata;

	(void)s;
	(void)si;
	(void)sd_notify(0, "STOPPING=1");
	return sd_event_exit(p->event, 0);
}

/* Before any thread is there: each inherits it. */
static int block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGPIPE);
	return sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : 0;
}

/* All that takes root's privileges: the interface, the socket, memory that is not swapped. */
static int make(struct program *p)
{
	const struct rlimit memlock = { MEMLOCK_BYTES, MEMLOCK_BYTES };
	int r;

	r = tun_open(&p->tun, p->ifname);
	if (r == -EBUSY)
		log_error("%s: there is an interface of that name already", p->ifname);
	else if (r == -ENODEV)
		log_error("%s: the interface cannot be made: /dev/net/tun is not there, `modprobe tun` brings it", p->ifname);
	else if (r == -EPERM || r == -EACCES)
		log_error("%s: the interface cannot be made: that takes root", p->ifname);
	else if (r < 0)
		return fail(p, r, "the interface cannot be made");
	if (r < 0)
		return r;
	/* Room for our headers on the wires that most people have; wg-quick sets what fits the endpoint. */
	r = tun_set_mtu(&p->tun, DEVICE_MTU_DEFAULT);
	if (r < 0)
		return fail(p, r, "its MTU cannot be set");
	r = control_socket_open(&p->socket, p->rundir, p->tun.ifname, p->privileges.gid);
	if (r == -EADDRINUSE)
		return fail(p, r, "another program listens on its configuration socket");
	if (r < 0)
		return fail(p, r, "its configuration socket cannot be made");
	/* Where it may not be raised, what can be locked is locked. */
	(void)setrlimit(RLIMIT_MEMLOCK, &memlock);
	return 0;
}

static int drop(struct program *p)
{
	bool dropped;
	int r;

	r = secret_init();
	if (r == 0)
		r = privileges_drop(&p->privileges, &dropped);
	if (r == 0)
		r = privileges_restrict();
	if (r < 0)
		return fail(p, r, "privileges cannot be dropped");
	if (p->privileges.is_root && !dropped)
		log_debug("%s: there is no user " USER " here: going on as the one that it is", p->ifname);
	if (!secret_memory_locked())
		log_warning("memory for keys cannot be locked and may be swapped out: raise the limit on locked memory (LimitMEMLOCK)");
	return 0;
}

static int listen_to_signals(struct program *p)
{
	int r;

	r = sd_event_add_signal(p->event, NULL, SIGTERM, on_stop, p);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGINT, on_stop, p);
	/* By the service manager's own interval, if it watches us: a loop that hangs would keep open what has to close. */
	if (r >= 0)
		r = sd_event_set_watchdog(p->event, 1);
	return r;
}

static int start(struct program *p)
{
	static const struct link_handlers link_handlers = { .state = on_link_state, .gone = on_link_gone };
	struct config_resident resident;
	int r;

	r = sd_event_default(&p->event);
	if (r >= 0)
		r = listen_to_signals(p);
	if (r >= 0)
		r = device_init(&p->device, NULL, NULL);
	if (r < 0)
		return fail(p, r, "cannot start");
	p->has_device = true;
	r = control_init(&p->control, &p->device, &clock_system);
	if (r < 0)
		return fail(p, r, "cannot start");
	p->has_control = true;
	r = path_new(&p->path, &p->device, &p->tun, DEVICE_MTU_DEFAULT, AEAD_FASTEST);
	if (r < 0)
		return fail(p, r, "the packet threads cannot be made");
	p->device.path_ops = &path_ops;
	p->device.path = p->path;
	log_debug("%s: %s", p->ifname, path_describe(p->path));
	r = loop_new(&p->loop, p->event, &p->control);
	if (r >= 0)
		r = tunnel_bus_new(&p->bus, p->event, p->ifname, &p->control);
	if (r < 0)
		return fail(p, r, "cannot start");
	resident = tunnel_bus_resident(p->bus);
	r = uapi_server_new(&p->uapi, p->event, p->socket.fd, &p->control, &resident);
	if (r >= 0)
		r = link_new(&p->link, p->tun.ifindex, &link_handlers, p);
	if (r >= 0)
		r = sd_event_add_io(p->event, NULL, link_fd(p->link), EPOLLIN, on_link, p);
	/* Last: what there is one thread for is done. */
	if (r >= 0)
		r = path_start(p->path);
	return r < 0 ? fail(p, r, "cannot start") : 0;
}

/* Sessions first; then what carried them. */
static void end(struct program *p)
{
	p->uapi = uapi_server_free(p->uapi);
	p->bus = tunnel_bus_free(p->bus);
	p->link = link_free(p->link);
	p->loop = loop_free(p->loop);
	if (p->path)
		path_stop(p->path);
	if (p->has_control)
		control_clear(&p->control);
	p->path = path_free(p->path);
	if (p->has_device)
		device_clear(&p->device);
	p->event = sd_event_unref(p->event);
	control_socket_close(&p->socket);
	if (p->tun.fd >= 0)
		tun_close(&p->tun);
}

static int run(struct program *p)
{
	int r;

	r = make(p);
	if (r == 0)
		r = drop(p);
	if (r == 0)
		r = start(p);
	if (r < 0)
		return r;
	settle();
	log_info("%s: ready", p->ifname);
	(void)sd_notify(0, "READY=1");
	daemonise_end(&p->daemonise, PROGRAM);
	return loop_run(p->loop);
}

enum option_value {
	OPTION_WIREGUARD_DIR = 256,
	OPTION_DEBUG,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "foreground", no_argument, NULL, 'f' },
	{ "wireguard-dir", required_argument, NULL, OPTION_WIREGUARD_DIR },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* 1: go on; else *ret_status is the exit status. */
static int parse(struct program *p, int argc, char **argv, int *ret_status)
{
	int c;

	*ret_status = 0;
	while ((c = getopt_long(argc, argv, "f", options, NULL)) >= 0) {
		if (c == 'f') {
			p->foreground = true;
		} else if (c == OPTION_WIREGUARD_DIR) {
			p->rundir = optarg;
		} else if (c == OPTION_DEBUG) {
			p->debug = true;
		} else if (c == OPTION_HELP || c == OPTION_VERSION) {
			(void)fputs(c == OPTION_HELP ? usage : PROGRAM " " PACKAGE_VERSION "\n", stdout);
			return 0;
		} else {
			*ret_status = 2;
			return 0;
		}
	}
	if (argc - optind == 1 && ifname_valid(argv[optind])) {
		p->ifname = argv[optind];
		return 1;
	}
	if (argc - optind == 1)
		(void)fprintf(stderr, PROGRAM ": \"%s\" is no interface's name: it has 1 to 15 letters, digits and _=+.-\n", argv[optind]);
	else
		(void)fprintf(stderr, PROGRAM ": wants the name of one interface; see --help\n");
	*ret_status = 2;
	return 0;
}

int main(int argc, char **argv)
{
	struct program p = {
		.rundir = WGFIDO_WIREGUARD_RUNDIR,
		.daemonise = { .ready = -1 },
		.tun = { .fd = -1 },
		.socket = { .fd = -1, .janitor = -1 },
	};
	int r, status;

	if (parse(&p, argc, argv, &status) <= 0)
		return status;
	/* What we were started with is none of ours: whoever waits for its end would wait for ours. */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	log_open(PROGRAM, p.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	r = privileges_find(&p.privileges, USER);
	if (r < 0) {
		log_error("there is no user " USER " to become: `systemd-sysusers` makes it, or the package wgfido");
		return 1;
	}
	r = block_signals();
	if (r == 0 && !p.foreground)
		r = daemonise_begin(&p.daemonise);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return 1;
	}
	r = run(&p);
	end(&p);
	return r < 0 ? 1 : 0;
}
