/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/objects.h"
#include "client/say.h"
#include "client/text.h"
#include "common/clock.h"
#include "common/names.h"

/* polkit may have to ask somebody for a password. */
#define SIMPLE_TIMEOUT (300 * US_PER_SEC)

/* One more zeroed element at the end of a growing array, with its path set. */
static void *array_add(void *array, size_t *n, size_t size, const char *path)
{
	char **more = reallocarray(*(void **)array, *n + 1, size);
	char *element;

	if (!more)
		return NULL;
	*(void **)array = more;
	element = (char *)more + *n * size;
	memset(element, 0, size);
	/* path is the first member of each of our objects. */
	*(char **)element = strdup(path);
	if (!*(char **)element)
		return NULL;
	(*n)++;
	return element;
}

static int object_read(struct proxy *p, const char *path, const char *interface, sd_bus_message *m)
{
	const struct object_field *fields = object_fields(interface);
	void *object = p;
	int r;

	if (!fields)
		return sd_bus_message_skip(m, "a{sv}");
	if (!strcmp(interface, WGFIDO_TUNNEL_INTERFACE))
		object = array_add(&p->tunnels, &p->n_tunnels, sizeof(*p->tunnels), path);
	else if (!strcmp(interface, WGFIDO_PEER_INTERFACE))
		object = array_add(&p->peers, &p->n_peers, sizeof(*p->peers), path);
	else if (!strcmp(interface, WGFIDO_TOKEN_INTERFACE))
		object = array_add(&p->tokens, &p->n_tokens, sizeof(*p->tokens), path);
	if (!object)
		return -ENOMEM;
	r = object_read_properties(m, fields, object);
	return r < 0 ? r : object_init(fields, object);
}

static int objects_read(struct proxy *p, sd_bus_message *m)
{
	int r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
		const char *path, *interface;

		r = sd_bus_message_read_basic(m, 'o', &path);
		if (r >= 0)
			r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
		while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
			r = sd_bus_message_read_basic(m, 's', &interface);
			if (r >= 0)
				r = object_read(p, path, interface, m);
			if (r >= 0)
				r = sd_bus_message_exit_container(m);
		}
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static void array_clear(void *array, size_t *n, size_t size, const char *interface)
{
	char *elements = *(void **)array;

	for (size_t i = 0; i < *n; i++) {
		free(*(char **)(elements + i * size));
		object_clear(object_fields(interface), elements + i * size);
	}
	free(elements);
	*(void **)array = NULL;
	*n = 0;
}

static void objects_clear(struct proxy *p)
{
	array_clear(&p->tunnels, &p->n_tunnels, sizeof(*p->tunnels), WGFIDO_TUNNEL_INTERFACE);
	array_clear(&p->peers, &p->n_peers, sizeof(*p->peers), WGFIDO_PEER_INTERFACE);
	array_clear(&p->tokens, &p->n_tokens, sizeof(*p->tokens), WGFIDO_TOKEN_INTERFACE);
	object_clear(object_fields(WGFIDO_MANAGER_INTERFACE), p);
}

/* By the object's path; NULL. */
static void *array_find(void *array, size_t n, size_t size, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(*(char **)((char *)array + i * size), path))
			return (char *)array + i * size;
	return NULL;
}

static int path_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void objects_sort(struct proxy *p)
{
	if (p->n_tunnels)
		qsort(p->tunnels, p->n_tunnels, sizeof(*p->tunnels), path_compare);
	if (p->n_peers)
		qsort(p->peers, p->n_peers, sizeof(*p->peers), path_compare);
	if (p->n_tokens)
		qsort(p->tokens, p->n_tokens, sizeof(*p->tokens), path_compare);
}

static int refresh(struct proxy *p, sd_bus_error *error)
{
	sd_bus_message *m = NULL, *reply = NULL;
	int r;

	r = sd_bus_message_new_method_call(p->bus, &m, WGFIDO_BUS_NAME, WGFIDO_PATH, "org.freedesktop.DBus.ObjectManager",
		"GetManagedObjects");
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, !p->passive);
	if (r >= 0)
		r = sd_bus_call(p->bus, m, 0, error, &reply);
	sd_bus_message_unref(m);
	objects_clear(p);
	p->running = false;
	snprintf(p->owner, sizeof(p->owner), "%s", r >= 0 ? sd_bus_message_get_sender(reply) : "");
	if (r >= 0)
		r = objects_read(p, reply);
	/* Some brokers of the D-Bus world leave the root object out of their list. */
	if (r >= 0 && !p->version) {
		char *version = NULL;

		if (sd_bus_get_property_string(p->bus, WGFIDO_BUS_NAME, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE,
			    "Version", NULL, &version) >= 0) {
			text_make_printable(version);
			p->version = version;
		}
	}
	if (r >= 0)
		r = object_init(object_fields(WGFIDO_MANAGER_INTERFACE), p);
	sd_bus_message_unref(reply);
	if (r < 0) {
		objects_clear(p);
		return r;
	}
	objects_sort(p);
	p->running = true;
	return 0;
}

int proxy_refresh(struct proxy *p)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = refresh(p, &error);

	sd_bus_error_free(&error);
	return r;
}

static int open_bus(struct proxy **ret, bool passive)
{
	struct proxy *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->passive = passive;
	r = sd_bus_open_system(&p->bus);
	if (r < 0)
		p->bus = NULL;
	*ret = p;
	return r;
}

int proxy_open(struct proxy **ret)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct proxy *p = NULL;
	int r;

	r = open_bus(&p, false);
	if (r < 0) {
		proxy_free(p);
		return say_outcome(OUTCOME_FAILED,
			"The system bus cannot be reached (%s): is it running? Start dbus", strerror(-r));
	}
	r = refresh(p, &error);
	if (r < 0) {
		r = proxy_say_error(&error, r);
		sd_bus_error_free(&error);
		proxy_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int proxy_open_quiet(struct proxy **ret)
{
	struct proxy *p = NULL;
	int r = open_bus(&p, false);

	if (!p)
		return -ENOMEM;
	if (r >= 0)
		proxy_refresh(p);
	*ret = p;
	return 0;
}

int proxy_open_passive(struct proxy **ret)
{
	struct proxy *p = NULL;
	int r = open_bus(&p, true);

	if (r < 0) {
		proxy_free(p);
		return r;
	}
	proxy_refresh(p);
	*ret = p;
	return 0;
}

struct proxy *proxy_free(struct proxy *p)
{
	if (!p)
		return NULL;
	objects_clear(p);
	sd_bus_flush_close_unref(p->bus);
	free(p);
	return NULL;
}

/*
 * A signal that somebody sends straight to us passes by our matches, and sd-bus takes any unique name for a well-known one.
 * Nobody but the broker puts words into a prompt.
 */
static bool comes_from(const char *name, sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return sender && !strcmp(sender, name);
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct proxy *p = userdata;
	const char *interface, *path = sd_bus_message_get_path(m);
	void *object = NULL;
	int r;

	(void)error;
	r = comes_from(p->owner, m) ? sd_bus_message_read_basic(m, 's', &interface) : -EPERM;
	if (r < 0)
		return 0;
	if (!strcmp(interface, WGFIDO_TUNNEL_INTERFACE))
		object = array_find(p->tunnels, p->n_tunnels, sizeof(*p->tunnels), path);
	else if (!strcmp(interface, WGFIDO_PEER_INTERFACE))
		object = array_find(p->peers, p->n_peers, sizeof(*p->peers), path);
	else if (!strcmp(interface, WGFIDO_TOKEN_INTERFACE))
		object = array_find(p->tokens, p->n_tokens, sizeof(*p->tokens), path);
	else if (!strcmp(interface, WGFIDO_MANAGER_INTERFACE) && !strcmp(path, WGFIDO_PATH))
		object = p;
	r = object ? object_read_properties(m, object_fields(interface), object) : -ENOENT;
	if (r >= 0) {
		/* Anything invalidated without its value? Then it is read again. */
		r = sd_bus_message_enter_container(m, 'a', "s");
		if (r >= 0 && sd_bus_message_at_end(m, false) <= 0)
			r = -ESTALE;
	}
	if (r < 0)
		proxy_refresh(p);
	if (p->changed)
		p->changed(p, p->userdata);
	return 0;
}

static int on_objects(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct proxy *p = userdata;

	(void)error;
	if (!comes_from(p->owner, m) && !comes_from("org.freedesktop.DBus", m))
		return 0;
	proxy_refresh(p);
	if (p->changed)
		p->changed(p, p->userdata);
	return 0;
}

int proxy_watch(struct proxy *p, void (*changed)(struct proxy *p, void *userdata), void *userdata)
{
	int r;

	p->changed = changed;
	p->userdata = userdata;
	if (p->watching)
		return 0;
	r = sd_bus_add_match(p->bus, NULL,
		"type='signal',sender='" WGFIDO_BUS_NAME
		"',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',path_namespace='" WGFIDO_PATH
		"'",
		on_properties, p);
	if (r >= 0)
		r = sd_bus_add_match(p->bus, NULL,
			"type='signal',sender='" WGFIDO_BUS_NAME
			"',interface='org.freedesktop.DBus.ObjectManager',path='" WGFIDO_PATH "'",
			on_objects, p);
	if (r >= 0)
		r = sd_bus_add_match(p->bus, NULL,
			"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
			"member='NameOwnerChanged',arg0='" WGFIDO_BUS_NAME "'",
			on_objects, p);
	if (r < 0)
		return r;
	p->watching = true;
	return 0;
}

struct proxy_tunnel *proxy_find_tunnel(struct proxy *p, const char *interface)
{
	for (size_t i = 0; i < p->n_tunnels; i++)
		if (!strcmp(p->tunnels[i].interface, interface))
			return &p->tunnels[i];
	return NULL;
}

struct proxy_tunnel *proxy_find_tunnel_path(struct proxy *p, const char *path)
{
	return strcmp(path, WGFIDO_PATH) ? array_find(p->tunnels, p->n_tunnels, sizeof(*p->tunnels), path) : &p->generating;
}

struct proxy_peer *proxy_next_peer(struct proxy *p, const struct proxy_tunnel *tunnel, struct proxy_peer *previous)
{
	size_t len = strlen(tunnel->path);

	for (size_t i = previous ? (size_t)(previous - p->peers) + 1 : 0; i < p->n_peers; i++)
		if (!strncmp(p->peers[i].path, tunnel->path, len) && p->peers[i].path[len] == '/')
			return &p->peers[i];
	return NULL;
}

size_t proxy_count_peers(struct proxy *p, const struct proxy_tunnel *tunnel)
{
	size_t n = 0;

	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(p, tunnel, peer));)
		n++;
	return n;
}

bool proxy_error_no_broker(const sd_bus_error *error, int r)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
		sd_bus_error_has_name(error, "org.freedesktop.DBus.Error.Spawn.ExecFailed") ||
		sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit") || r == -EHOSTUNREACH;
}

enum outcome proxy_outcome(const sd_bus_error *error, int r)
{
	if (!sd_bus_error_is_set(error))
		return r < 0 ? OUTCOME_FAILED : OUTCOME_OK;
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
		return OUTCOME_DENIED;
	return outcome_from_error_name(error->name);
}

/* The sentence for the user. */
enum outcome proxy_error_text(char *buf, size_t size, const sd_bus_error *error, int r)
{
	enum outcome o = proxy_outcome(error, r);

	if (proxy_error_no_broker(error, r)) {
		snprintf(buf, size, "The wgfido broker is not running: start wgfidod, as wgfidod(8) shows");
		return OUTCOME_FAILED;
	}
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) || r == -ETIMEDOUT) {
		snprintf(buf, size, "The wgfido broker went away or did not answer: see its log (wgfidod(8))");
		return OUTCOME_FAILED;
	}
	/* The broker's message is the outcome's sentence with a detail behind it. */
	if (sd_bus_error_is_set(error) && error->message && *error->message &&
		!strncmp(error->name, WGFIDO_ERROR_PREFIX, strlen(WGFIDO_ERROR_PREFIX)))
		snprintf(buf, size, "%s", error->message);
	else if (o != OUTCOME_FAILED)
		snprintf(buf, size, "%s", outcome_sentence(o));
	else
		snprintf(buf, size, "The wgfido broker could not do that (%s): see its log (wgfidod(8))",
			sd_bus_error_is_set(error) && error->message ? error->message : strerror(r < 0 ? -r : EIO));
	text_make_printable(buf);
	return o;
}

int proxy_say_error(const sd_bus_error *error, int r)
{
	char text[1024];
	enum outcome o = proxy_error_text(text, sizeof(text), error, r);

	return say_outcome(o, "%s", text);
}

int proxy_call_simple(struct proxy *p, const char *path, const char *interface, const char *method, uint32_t *ret_count)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	int r, status = 0;

	r = sd_bus_message_new_method_call(p->bus, &m, WGFIDO_BUS_NAME, path, interface, method);
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(m, 1);
	if (r >= 0)
		r = sd_bus_call(p->bus, m, SIMPLE_TIMEOUT, &error, &reply);
	if (r >= 0 && ret_count)
		r = sd_bus_message_read(reply, "u", ret_count);
	if (r < 0)
		status = proxy_say_error(&error, r);
	sd_bus_error_free(&error);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return status;
}
