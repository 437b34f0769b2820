/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgfido-rotate: the event loop, the signals, the command line. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "agent/agent.h"
#include "agent/bus-networkmanager.h"
#include "bus/bus.h"
#include "common/names.h"

#define TICK_US US_PER_SEC
#define STOPPED "the agent was stopped"

/* systemd tells an ExecStopPost= command how the service ended. */
static const char *close_all_reason(void)
{
	const char *result = getenv("SERVICE_RESULT");

	if (!result)
		return "closed by wgfido-rotate --close-all";
	if (strcmp(result, "watchdog") == 0)
		return "the agent hung, and was killed";
	if (strcmp(result, "signal") == 0 || strcmp(result, "core-dump") == 0)
		return "the agent was killed";
	return strcmp(result, "success") == 0 ? STOPPED : "the agent failed";
}

struct program {
	struct agent agent;
	struct device_set *devices;
	struct device_watch *watch;
	sd_event *event;
	sd_event_source *timer;
	struct bus *bus;
	const char *wireguard_dir;
	bool failed; /* an interface could not be closed */
};

static const char usage[] =
	"Usage: wgfido-rotate [OPTION]...\n"
	"Opens and closes the WireGuard interfaces that have a CONFIG-DIR/IFACE.conf, and changes their preshared keys.\n"
	"\n"
	"  --gateway            the side without a token: no broker, no bus\n"
	"  --config-dir DIR     configuration (" WGFIDO_SYSCONFDIR ")\n"
	"  --run-dir DIR        status files (" WGFIDO_AGENT_RUNDIR ")\n"
	"  --wireguard-dir DIR  sockets of userspace WireGuards (" WGFIDO_WIREGUARD_RUNDIR ")\n"
	"  --close-all          closes all guarded interfaces and ends (ExecStopPost=)\n"
	"  --debug              says more\n"
	"  --help, --version\n"
	"\n"
	"SIGHUP reads the configuration again; SIGUSR1 looks at all interfaces now; SIGTERM closes and ends.\n";

static int world_choose(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct program *p = w->userdata;

	return device_choose(p->devices, ifname, ret);
}

static int world_name(struct guard_world *w, uint32_t ifindex, char ret[static IF_NAMESIZE])
{
	(void)w;
	return if_indextoname(ifindex, ret) ? 0 : -errno;
}

static void world_notice(struct guard_world *w, enum log_level level, const char *text)
{
	(void)w;
	log_msg(level, "%s", text);
}

static void world_closed(struct guard_world *w, const char *ifname)
{
	struct program *p = w->userdata;
	int r = p->bus ? bus_networkmanager_deactivate(bus_connection(p->bus), ifname) : -ENOTCONN;

	if (r < 0)
		log_warning("%s: NetworkManager cannot be told that it is closed: %s", ifname, strerror(-r));
}

static void program_run(struct program *p)
{
	const struct instant now = clock_now(p->agent.world.clock);
	uint64_t next;

	(void)agent_run(&p->agent);
	if (p->bus && agent_wants_objects(&p->agent) && bus_ask_objects(p->bus) < 0)
		agent_objects_failed(&p->agent);
	/* What is due now waits for the loop's next turn, so that signals and the bus get theirs. */
	next = agent_next(&p->agent);
	if (next > now.boot_us + TICK_US)
		next = now.boot_us + TICK_US;
	(void)sd_event_source_set_time(p->timer, next);
	(void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

static void program_lease(struct program *p)
{
	const struct instant now = clock_now(p->agent.world.clock);
	const bool held = p->agent.lease.held;

	if (agent_lease_due(&p->agent, &now) && bus_ask_lease(p->bus) < 0)
		agent_lease(&p->agent, false);
	if (held && !p->agent.lease.held)
		log_warning("the broker does not answer: closing");
}

static void on_broker(void *userdata, bool here)
{
	struct program *p = userdata;

	log_info(here ? "the broker is here" : "the broker is gone: closing");
	agent_broker(&p->agent, here);
	if (here)
		program_lease(p);
	program_run(p);
}

static void on_tunnel(void *userdata, const char *ifname, const struct bus_tunnel *t)
{
	struct program *p = userdata;

	if (t && t->public_key)
		agent_resident(&p->agent, ifname, strcmp(t->held, "resident") == 0, t->next_public_key);
	if (t)
		agent_tunnel(&p->agent, ifname, t->public_key, t->approved_until_us, t->state, t->end_reason);
	else
		agent_tunnel(&p->agent, ifname, NULL, 0, "", "");
	program_run(p);
}

static void on_not_approved(void *userdata, const char *ifname, const char *end_reason)
{
	struct program *p = userdata;

	agent_not_approved(&p->agent, ifname, end_reason);
	program_run(p);
}

static void on_peer(void *userdata, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t until_us)
{
	struct program *p = userdata;

	agent_peer(&p->agent, ifname, public_key, until_us);
	program_run(p);
}

/* Asked again by the next run, a second later at most: a broker that cannot answer is not asked in a circle. */
static void on_objects_failed(void *userdata)
{
	struct program *p = userdata;

	log_warning("the broker does not say what is approved: asking again");
	agent_objects_failed(&p->agent);
}

static void on_changed(void *userdata)
{
	struct program *p = userdata;

	(void)agent_reload(&p->agent);
}

static void on_lease(void *userdata, bool answered)
{
	struct program *p = userdata;
	const bool held = p->agent.lease.held;

	agent_lease(&p->agent, answered);
	if (held == p->agent.lease.held)
		return;
	if (held)
		log_warning("the broker does not answer: closing");
	program_run(p);
}

static void on_psk(void *userdata, const char *ifname, const uint8_t public_key[static KEY_SIZE], struct secret *psk,
	uint64_t start, uint64_t end, const char *error)
{
	struct program *p = userdata;

	agent_got_psk(&p->agent, ifname, public_key, psk, start, end, error);
	program_run(p);
}

static void on_private_key(void *userdata, const char *ifname, struct secret *key, const char *error)
{
	struct program *p = userdata;

	agent_got_private_key(&p->agent, ifname, key, error);
	program_run(p);
}

static const struct bus_handlers bus_handlers = {
	.broker = on_broker,
	.tunnel = on_tunnel,
	.not_approved = on_not_approved,
	.peer = on_peer,
	.objects_failed = on_objects_failed,
	.changed = on_changed,
	.lease = on_lease,
	.psk = on_psk,
	.private_key = on_private_key,
};

static int ask_psk(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t slot)
{
	struct program *p = a->userdata;

	return p->bus ? bus_ask_psk(p->bus, ifname, public_key, slot == ROTATOR_NO_SLOT ? NULL : &slot) : -ENOTCONN;
}

static int ask_private_key(struct agent *a, const char *ifname)
{
	struct program *p = a->userdata;

	return p->bus ? bus_ask_private_key(p->bus, ifname) : -ENOTCONN;
}

/* The bus may come after the agent, and may come back. */
static void program_bus(struct program *p)
{
	int r;

	if (p->agent.world.gateway)
		return;
	if (p->bus && !bus_is_alive(p->bus)) {
		p->bus = bus_free(p->bus);
		agent_broker(&p->agent, false);
		log_warning("the message bus is gone: closing");
	}
	if (!p->bus) {
		r = bus_new(&p->bus, p->event, &bus_handlers, p);
		if (r < 0)
			log_debug("the message bus cannot be reached: %s", strerror(-r));
	}
	if (p->bus)
		program_lease(p);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct program *p = userdata;

	(void)s;
	(void)usec;
	program_bus(p);
	program_run(p);
	/* Only here, after every interface was looked at. */
	(void)sd_notify(0, "WATCHDOG=1");
	return 0;
}

static int on_watch(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct program *p = userdata;
	int r;

	(void)s;
	(void)fd;
	(void)revents;
	r = device_watch_read(p->watch);
	if (r < 0) {
		log_warning("the watch on interfaces fails (%s): looking at all of them", strerror(-r));
		agent_interface(&p->agent, NULL);
	}
	program_run(p);
	return 0;
}

static void on_interface(void *userdata, const char *ifname, bool present)
{
	struct program *p = userdata;

	(void)present;
	agent_interface(&p->agent, ifname);
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct program *p = userdata;
	int r;

	(void)s;
	(void)si;
	log_info("reading the configuration again");
	r = agent_reload(&p->agent);
	if (r < 0)
		log_error("the configuration in %s cannot be read: %s", p->agent.world.config_dir, strerror(-r));
	program_run(p);
	return 0;
}

/* Somebody may have changed an interface, NetworkManager's dispatcher script knows. */
static int on_look(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct program *p = userdata;

	(void)s;
	(void)si;
	agent_interface(&p->agent, NULL);
	program_run(p);
	return 0;
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct program *p = userdata;

	(void)s;
	(void)si;
	(void)sd_notify(0, "STOPPING=1");
	p->failed = !agent_stop(&p->agent, STOPPED);
	return sd_event_exit(p->event, 0);
}

/* First of all: a SIGHUP while the agent starts is to be kept for the loop, not to end it. */
static int block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGUSR1);
	return sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : 0;
}

static int program_loop(struct program *p)
{
	int r;

	r = sd_event_default(&p->event);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGTERM, on_stop, p);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGINT, on_stop, p);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGHUP, on_hangup, p);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGUSR1, on_look, p);
	if (r >= 0)
		r = device_watch_new(&p->watch, p->wireguard_dir, on_interface, p);
	if (r >= 0)
		r = sd_event_add_io(p->event, NULL, device_watch_fd(p->watch), EPOLLIN, on_watch, p);
	if (r >= 0)
		r = sd_event_add_time(p->event, &p->timer, CLOCK_BOOTTIME, 0, 1000, on_timer, p);
	if (r < 0)
		return r;
	/* Closed before anybody hears that the agent is there. */
	(void)agent_run(&p->agent);
	log_info("ready");
	(void)sd_notify(0, "READY=1");
	return sd_event_loop(p->event);
}

static void program_clear(struct program *p)
{
	bus_free(p->bus);
	sd_event_source_unref(p->timer);
	device_watch_free(p->watch);
	sd_event_unref(p->event);
	agent_clear(&p->agent);
	device_set_free(p->devices);
}

static int program_start(struct program *p)
{
	struct agent *a = &p->agent;
	int r;

	if (mkdir(a->world.run_dir, 0755) < 0 && errno != EEXIST)
		log_warning("no status files: cannot make %s: %s", a->world.run_dir, strerror(errno));
	r = device_set_new(&p->devices, p->wireguard_dir);
	if (r < 0) {
		log_error("WireGuard cannot be reached: %s", strerror(-r));
		return r;
	}
	r = agent_reload(a);
	if (r < 0)
		log_error("the configuration in %s cannot be read: %s", a->world.config_dir, strerror(-r));
	/* An agent that cannot tell what to guard would say that it is ready, and guard nothing. */
	return r;
}

enum option_value {
	OPTION_GATEWAY = 256,
	OPTION_CONFIG_DIR,
	OPTION_RUN_DIR,
	OPTION_WIREGUARD_DIR,
	OPTION_CLOSE_ALL,
	OPTION_DEBUG,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option options[] = {
	{ "gateway", no_argument, NULL, OPTION_GATEWAY },
	{ "config-dir", required_argument, NULL, OPTION_CONFIG_DIR },
	{ "run-dir", required_argument, NULL, OPTION_RUN_DIR },
	{ "wireguard-dir", required_argument, NULL, OPTION_WIREGUARD_DIR },
	{ "close-all", no_argument, NULL, OPTION_CLOSE_ALL },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

struct arguments {
	bool close_all, debug, done;
	int status;
};

static void arguments_parse(struct program *p, struct arguments *args, int argc, char **argv)
{
	struct guard_world *w = &p->agent.world;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == OPTION_GATEWAY) {
			w->gateway = true;
		} else if (c == OPTION_CONFIG_DIR) {
			w->config_dir = optarg;
		} else if (c == OPTION_RUN_DIR) {
			w->run_dir = optarg;
		} else if (c == OPTION_WIREGUARD_DIR) {
			p->wireguard_dir = optarg;
		} else if (c == OPTION_CLOSE_ALL) {
			args->close_all = true;
		} else if (c == OPTION_DEBUG) {
			args->debug = true;
		} else if (c == OPTION_HELP || c == OPTION_VERSION) {
			(void)fputs(c == OPTION_HELP ? usage : "wgfido-rotate " PACKAGE_VERSION "\n", stdout);
			args->done = true;
			return;
		} else {
			args->done = true;
			args->status = 2;
			return;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "wgfido-rotate: unexpected argument '%s'; see --help\n", argv[optind]);
		args->done = true;
		args->status = 2;
	}
}

int main(int argc, char **argv)
{
	struct program p = {
		.agent.world = {
			.config_dir = WGFIDO_SYSCONFDIR,
			.run_dir = WGFIDO_AGENT_RUNDIR,
			.clock = &clock_system,
			.choose = world_choose,
			.name = world_name,
			.notice = world_notice,
			.closed = world_closed,
			.userdata = &p,
		},
		.agent.ask_psk = ask_psk,
		.agent.ask_private_key = ask_private_key,
		.agent.userdata = &p,
		.wireguard_dir = WGFIDO_WIREGUARD_RUNDIR,
	};
	struct arguments args = { 0 };
	int r;

	arguments_parse(&p, &args, argc, argv);
	if (args.done)
		return args.status;
	log_open("wgfido-rotate", args.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	r = args.close_all ? 0 : block_signals();
	if (r == 0)
		r = secret_init();
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return 1;
	}
	if (!secret_memory_locked())
		log_warning("memory for keys cannot be locked and may be swapped out: raise the limit on locked memory (LimitMEMLOCK)");
	agent_init(&p.agent);
	r = program_start(&p);
	if (r == 0 && args.close_all)
		p.failed = !agent_stop(&p.agent, close_all_reason());
	else if (r == 0) {
		r = program_loop(&p);
		if (r < 0) {
			log_error("the event loop fails: %s", strerror(-r));
			p.failed = !agent_stop(&p.agent, STOPPED);
		}
	}
	if (p.failed)
		log_error("not every interface could be closed");
	program_clear(&p);
	return r < 0 || p.failed ? 1 : 0;
}
