/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgfidod: arguments, signals, and the order in which things begin and end. */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "common/names.h"
#include "daemon/bus.h"

struct program {
	sd_event *event;
	struct bus *bus;
	struct broker *broker;
};

static const char help[] =
	"Usage: wgfidod [OPTION]...\n"
	"The broker of wgfido: keeps approvals and key files, and speaks on the system bus as " WGFIDO_BUS_NAME ".\n"
	"\n"
	"  --agent-uid UID|NAME   who may ask for keys (default: wgfido-net)\n"
	"  --config-dir DIR       configurations (default: " WGFIDO_SYSCONFDIR ")\n"
	"  --state-dir DIR        key files go below it (default: " WGFIDO_STATEDIR ")\n"
	"  --token-worker PATH    default: " WGFIDO_LIBEXECDIR "/wgfido-token\n"
	"  --soft-tokens DIR      also use the software tokens whose sockets are in DIR\n"
	"  --no-udev              no hardware tokens\n"
	"  --no-cards             no smart cards\n"
	"  --pcscd PATH           the socket of pcscd (default: " WGFIDO_PCSCD_SOCKET ")\n"
	"  --debug                log more\n"
	"  --help, --version\n";

enum option_value {
	OPTION_AGENT_UID = 256,
	OPTION_CONFIG_DIR,
	OPTION_STATE_DIR,
	OPTION_TOKEN_WORKER,
	OPTION_SOFT_TOKENS,
	OPTION_NO_UDEV,
	OPTION_NO_CARDS,
	OPTION_PCSCD,
	OPTION_DEBUG,
	OPTION_TOUCH_TIMEOUT,
	OPTION_WAIT_TIMEOUT,
	OPTION_CLOSING_TIMEOUT,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"agent-uid", required_argument, NULL, OPTION_AGENT_UID},
	{"config-dir", required_argument, NULL, OPTION_CONFIG_DIR},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"token-worker", required_argument, NULL, OPTION_TOKEN_WORKER},
	{"soft-tokens", required_argument, NULL, OPTION_SOFT_TOKENS},
	{"no-udev", no_argument, NULL, OPTION_NO_UDEV},
	{"no-cards", no_argument, NULL, OPTION_NO_CARDS},
	{"pcscd", required_argument, NULL, OPTION_PCSCD},
	{"debug", no_argument, NULL, OPTION_DEBUG},
	{"touch-timeout-ms", required_argument, NULL, OPTION_TOUCH_TIMEOUT}, /* for tests; not in the help */
	{"wait-timeout-ms", required_argument, NULL, OPTION_WAIT_TIMEOUT},   /* the same */
	{"closing-timeout-ms", required_argument, NULL, OPTION_CLOSING_TIMEOUT},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

struct arguments {
	struct broker_options broker;
	const char *agent;
	bool debug, no_cards;
};

static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int parse_ms(const char *text, uint32_t *ret)
{
	uint64_t n;
	int r;

	r = parse_number(text, 3600000, &n);
	if (r < 0 || n == 0)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

/* 1: go on; 0: done; <0: wrong */
static int parse_arguments(struct arguments *a, int argc, char **argv)
{
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (c) {
		case OPTION_AGENT_UID:
			a->agent = optarg;
			break;
		case OPTION_CONFIG_DIR:
			a->broker.config_dir = optarg;
			break;
		case OPTION_STATE_DIR:
			a->broker.state_dir = optarg;
			break;
		case OPTION_TOKEN_WORKER:
			a->broker.token_worker = optarg;
			break;
		case OPTION_SOFT_TOKENS:
			a->broker.soft_tokens = optarg;
			break;
		case OPTION_NO_UDEV:
			a->broker.use_udev = false;
			break;
		case OPTION_NO_CARDS:
			a->no_cards = true;
			break;
		case OPTION_PCSCD:
			a->broker.pcscd = optarg;
			break;
		case OPTION_DEBUG:
			a->debug = true;
			break;
		case OPTION_TOUCH_TIMEOUT:
			r = parse_ms(optarg, &a->broker.touch_timeout_ms);
			break;
		case OPTION_WAIT_TIMEOUT:
			r = parse_ms(optarg, &a->broker.wait_timeout_ms);
			break;
		case OPTION_CLOSING_TIMEOUT:
			r = parse_ms(optarg, &a->broker.closing_timeout_ms);
			break;
		case 'h':
		case OPTION_HELP:
			(void)fputs(help, stdout);
			return 0;
		case OPTION_VERSION:
			(void)puts("wgfidod " PACKAGE_VERSION);
			return 0;
		default:
			return -EINVAL;
		}
	}
	if (r < 0)
		(void)fprintf(stderr, "wgfidod: milliseconds, 1 to 3600000, are wanted, not %s\n", optarg);
	else if (optind < argc)
		(void)fprintf(stderr, "wgfidod: what is %s meant to be? See --help\n", argv[optind]);
	return r < 0 || optind < argc ? -EINVAL : 1;
}

static int resolve_agent(const char *agent, uid_t *ret)
{
	const struct passwd *entry;
	uint64_t n;

	if (parse_number(agent, UINT32_MAX - 1, &n) >= 0) {
		*ret = (uid_t)n;
		return 0;
	}
	entry = getpwnam(agent);
	if (!entry)
		return -ESRCH;
	*ret = entry->pw_uid;
	return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct program *p = userdata;

	(void)source;
	log_info("ending on signal %u", info->ssi_signo);
	(void)sd_notify(0, "STOPPING=1");
	/* While the bus is still there to tell: the end of the loop closes it. */
	bus_stop(p->bus);
	return sd_event_exit(p->event, 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct program *p = userdata;
	int r;

	(void)source;
	(void)info;
	log_info("reading the configuration again");
	r = broker_reload(p->broker);
	if (r < 0)
		log_error("cannot reload: %s", strerror(-r));
	return 0;
}

static void on_lost(void *userdata, const char *why)
{
	struct program *p = userdata;

	log_error("%s: all approvals end", why);
	if (p->bus)
		bus_stop(p->bus);
	(void)sd_event_exit(p->event, EXIT_FAILURE);
}

static int add_signals(struct program *p)
{
	sigset_t mask;
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of the write, not our death */
	if (sigemptyset(&mask) < 0 || sigaddset(&mask, SIGTERM) < 0 || sigaddset(&mask, SIGINT) < 0 ||
		sigaddset(&mask, SIGHUP) < 0 || sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(p->event, NULL, SIGTERM, on_terminate, p);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGINT, on_terminate, p);
	if (r >= 0)
		r = sd_event_add_signal(p->event, NULL, SIGHUP, on_reload, p);
	return r;
}

static int begin(struct program *p, const struct arguments *a, uid_t agent_uid)
{
	const char *what = "the event loop";
	int r;

	r = sd_event_default(&p->event);
	if (r >= 0)
		r = add_signals(p);
	if (r >= 0) {
		what = "the system bus";
		r = bus_new(&p->bus, p->event, agent_uid, on_lost, p);
	}
	if (r >= 0) {
		what = a->broker.state_dir;
		r = broker_new(&p->broker, p->event, &a->broker, &bus_broker_callbacks, p->bus);
	}
	if (r >= 0) {
		what = "the objects on the bus";
		r = bus_serve(p->bus, p->broker);
	}
	if (r >= 0) {
		what = a->broker.config_dir;
		r = broker_reload(p->broker);
	}
	if (r >= 0) {
		what = "the name " WGFIDO_BUS_NAME;
		r = bus_take_name(p->bus);
	}
	if (r >= 0) {
		what = "the watchdog";
		r = sd_event_set_watchdog(p->event, 1);
	}
	if (r < 0)
		log_error("%s: %s", what, strerror(-r));
	return r;
}

static void end(struct program *p)
{
	if (p->bus)
		bus_stop(p->bus);
	p->broker = broker_free(p->broker);
	p->bus = bus_free(p->bus);
	p->event = sd_event_unref(p->event);
}

int main(int argc, char **argv)
{
	struct program p = {0};
	struct arguments a = {
		.agent = "wgfido-net",
		.broker = {
			.config_dir = WGFIDO_SYSCONFDIR,
			.state_dir = WGFIDO_STATEDIR,
			.token_worker = WGFIDO_LIBEXECDIR "/wgfido-token",
			.use_udev = true,
			.touch_timeout_ms = WGFIDO_TOUCH_TIMEOUT_SECONDS * 1000,
			.wait_timeout_ms = BROKER_WAIT_SECONDS * 1000,
			.closing_timeout_ms = BROKER_CLOSING_SECONDS * 1000,
			.clock = &clock_system,
		},
	};
	uid_t agent_uid;
	int r;

	r = parse_arguments(&a, argc, argv);
	if (r <= 0)
		return r < 0 ? 2 : EXIT_SUCCESS;
	log_open("wgfidod", a.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	/* Ignored by whoever started us, it would have the kernel bury our workers, and their numbers go to others. */
	signal(SIGCHLD, SIG_DFL);
	r = secret_init();
	if (r < 0) {
		log_error("guarded memory: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	if (!secret_memory_locked())
		log_warning("memory for keys cannot be locked and may be swapped out: raise the limit on locked memory (LimitMEMLOCK)");
#ifdef HAVE_PCSC
	/* Where no hardware is to be used (--no-udev), not this either, unless pcscd is named. */
	a.broker.use_cards = !a.no_cards && (a.broker.use_udev || a.broker.pcscd);
#endif
	if (resolve_agent(a.agent, &agent_uid) < 0) {
		log_error("there is no user %s, for whom the keys are: create it, or give --agent-uid", a.agent);
		return EXIT_FAILURE;
	}
	r = begin(&p, &a, agent_uid);
	if (r >= 0) {
		(void)sd_notify(0, "READY=1");
		log_info("ready; keys go to uid %u only", agent_uid);
		r = sd_event_loop(p.event);
	}
	end(&p);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
