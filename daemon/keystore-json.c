/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key files as text. Strict both ways: what is parsed has exactly the members that are written, each once and in its one
 * canonical form, so that there is nothing in a file that the keyslots' authentication does not cover.
 */
#include "daemon/keystore.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keystore-text.h"

/* Numbers in JSON are signed 64-bit; this is year 138 million in seconds, and far from any overflow. */
#define CREATED_MAX (INT64_C(1) << 52)
#define BASE64_MAX sodium_base64_ENCODED_LEN(WIRE_CREDENTIAL_ID_MAX, sodium_base64_VARIANT_ORIGINAL)

static const char *const mode_names[] = { [CONFIG_MODE_PSK] = "psk", [CONFIG_MODE_IDENTITY] = "identity" };
static const char *const held_names[] = { [KEYFILE_WRAPPED] = "wrapped", [KEYFILE_RESIDENT] = "resident" };
static const char *const type_names[] = { [KEYSLOT_HMAC_SECRET] = "hmac-secret", [KEYSLOT_RECOVERY] = "recovery" };
static const char *const uv_names[] = { [WIRE_UV_PRESENCE] = "presence", [WIRE_UV_PIN] = "pin" };

static const char *const file_members[] = { "version", "interface", "mode", "held", "public_key", "salt", "next_slot_id", "slots",
	"slots_mac", NULL };
static const char *const resident_file_members[] = { "version", "interface", "mode", "held", "public_key", "key", "next", NULL };
static const char *const resident_members[] = { "public_key", "slot", "touch", "cached_seconds", "pin", "token", "serial", "label",
	"created", NULL };
static const char *const recovery_members[] = { "id", "type", "label", "created", "nonce", "wrapped", NULL };
static const char *const hmac_members[] = { "id", "type", "label", "created", "uv", "aaguid", "credential_id",
	"credential_public_key", "nonce", "wrapped", NULL };

bool keyslot_label_valid(const char *label)
{
	size_t len = strlen(label);
	json_t *s;

	if (len < 1 || len >= KEYFILE_LABEL_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)label[i];

		/* C0, DEL, and C1 (which UTF-8 spells C2 80..9F): terminals act on them. */
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)label[i + 1] < 0xa0))
			return false;
	}
	s = json_stringn(label, len); /* refuses what is not UTF-8 */
	json_decref(s);
	return s != NULL;
}

/* One parse: where an error is told, and in which slot we are. */
struct parse {
	char **ret_error;
	int slot; /* -1: none */
};

__attribute__((format(printf, 2, 3))) static int damaged(const struct parse *p, const char *format, ...)
{
	char what[160];
	va_list args;
	int r;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);

	if (p->slot >= 0)
		r = asprintf(p->ret_error, "key file, slot number %d: %s", p->slot + 1, what);
	else
		r = asprintf(p->ret_error, "key file: %s", what);
	if (r < 0) {
		*p->ret_error = NULL;
		return -ENOMEM;
	}
	return OUTCOME_KEYFILE_DAMAGED;
}

/* The object has these members and no others. Names that came from the file are not repeated: they may hold anything. */
static int check_members(const struct parse *p, json_t *object, const char *const *names)
{
	size_t n = 0;

	if (!json_is_object(object))
		return damaged(p, "an object is expected");
	for (; names[n]; n++)
		if (!json_object_get(object, names[n]))
			return damaged(p, "\"%s\" is missing", names[n]);
	if (json_object_size(object) != n)
		return damaged(p, "it has a member that this version does not know");
	return 0;
}

static int get_number(const struct parse *p, json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	json_t *v = json_object_get(object, name);

	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return damaged(p, "\"%s\" is not a number in the range allowed", name);
	*ret = json_integer_value(v);
	return 0;
}

static int get_choice(const struct parse *p, json_t *object, const char *name, const char *const *names, size_t n, size_t *ret)
{
	const char *v = json_string_value(json_object_get(object, name));

	for (size_t i = 0; v && i < n; i++)
		if (strcmp(v, names[i]) == 0) {
			*ret = i;
			return 0;
		}
	return damaged(p, "\"%s\" is none of the values this version knows", name);
}

/* Canonical base64 of min to max bytes. */
static int get_bytes(const struct parse *p, json_t *object, const char *name, uint8_t *buf, size_t min, size_t max, size_t *ret_len)
{
	json_t *v = json_object_get(object, name);
	size_t len;

	if (!json_is_string(v) ||
	    sodium_base642bin(buf, max, json_string_value(v), json_string_length(v), NULL, &len, NULL,
		    sodium_base64_VARIANT_ORIGINAL) < 0)
		return damaged(p, "\"%s\" is not base64, or too long", name);
	if (len < min)
		return damaged(p, "\"%s\" is too short", name);
	if (ret_len)
		*ret_len = len;
	return 0;
}

static int parse_slot(const struct parse *p, struct keyslot *s, json_t *object, const struct keyfile *k)
{
	const char *label;
	int64_t number;
	size_t choice, len;
	int r;

	r = get_choice(p, object, "type", type_names, sizeof(type_names) / sizeof(*type_names), &choice);
	if (r != 0)
		return r;
	s->type = (enum keyslot_type)choice;
	r = check_members(p, object, s->type == KEYSLOT_HMAC_SECRET ? hmac_members : recovery_members);
	if (r != 0)
		return r;

	/* Growing, hence never the same twice, and below the next one to be given. */
	r = get_number(p, object, "id", k->n_slots > 0 ? (int64_t)k->slots[k->n_slots - 1].id + 1 : 1, (int64_t)k->next_slot_id - 1,
		&number);
	if (r != 0)
		return r;
	s->id = (uint32_t)number;

	label = json_string_value(json_object_get(object, "label"));
	if (!label || !keyslot_label_valid(label))
		return damaged(p, "\"label\" is not a short printable text");
	strcpy(s->label, label); /* keyslot_label_valid: it fits */

	r = get_number(p, object, "created", 0, CREATED_MAX, &number);
	if (r != 0)
		return r;
	s->created = (uint64_t)number;

	if (s->type == KEYSLOT_HMAC_SECRET) {
		r = get_choice(p, object, "uv", uv_names, sizeof(uv_names) / sizeof(*uv_names), &choice);
		if (r != 0)
			return r;
		s->uv = (enum wire_uv)choice;
		r = get_bytes(p, object, "aaguid", s->aaguid, sizeof(s->aaguid), sizeof(s->aaguid), NULL);
		if (r != 0)
			return r;
		r = get_bytes(p, object, "credential_id", s->credential.id, 1, sizeof(s->credential.id), &len);
		if (r != 0)
			return r;
		s->credential.id_len = (uint16_t)len;
		r = get_bytes(p, object, "credential_public_key", s->credential.public_key, sizeof(s->credential.public_key),
			sizeof(s->credential.public_key), NULL);
		if (r != 0)
			return r;
	}

	r = get_bytes(p, object, "nonce", s->nonce, sizeof(s->nonce), sizeof(s->nonce), NULL);
	if (r != 0)
		return r;
	return get_bytes(p, object, "wrapped", s->wrapped, sizeof(s->wrapped), sizeof(s->wrapped), NULL);
}

static int parse_slots(struct parse *p, struct keyfile *k, json_t *array)
{
	int r;

	if (!json_is_array(array))
		return damaged(p, "\"slots\" is not a list");
	if (json_array_size(array) > KEYFILE_SLOTS_MAX)
		return damaged(p, "it has more than %d slots", KEYFILE_SLOTS_MAX);
	for (size_t i = 0; i < json_array_size(array); i++) {
		p->slot = (int)i;
		r = parse_slot(p, &k->slots[i], json_array_get(array, i), k);
		if (r != 0)
			return r;
		k->n_slots++;
	}
	p->slot = -1;
	return 0;
}

static int get_text(const struct parse *p, json_t *object, const char *name, char *buf, size_t size)
{
	json_t *v = json_object_get(object, name);

	if (!json_is_string(v) || json_string_length(v) >= size || strlen(json_string_value(v)) != json_string_length(v))
		return damaged(p, "\"%s\" is not a text, or too long", name);
	strcpy(buf, json_string_value(v)); /* it fits */
	return 0;
}

static int parse_key(const struct parse *p, struct keyfile_resident *k, json_t *object)
{
	static const char *const touches[] = { "unknown", "never", "cached", "always" };
	char slot[KEYFILE_X_SLOT_MAX];
	json_t *v;
	int64_t number;
	size_t choice, len;
	int r;

	r = check_members(p, object, resident_members);
	if (r == 0)
		r = get_bytes(p, object, "public_key", k->public_key, sizeof(k->public_key), sizeof(k->public_key), NULL);
	if (r == 0)
		r = get_text(p, object, "slot", slot, sizeof(slot));
	if (r == 0 && keyfile_x_slot_parse(&k->slot, slot) < 0)
		r = damaged(p, "\"slot\" names no slot of a token");
	if (r == 0)
		r = get_choice(p, object, "touch", touches, sizeof(touches) / sizeof(*touches), &choice);
	if (r != 0)
		return r;
	k->touch = (enum wire_x_touch)choice;
	r = get_number(p, object, "cached_seconds", 0, UINT16_MAX, &number);
	if (r != 0)
		return r;
	k->cached_seconds = (uint16_t)number;
	v = json_object_get(object, "pin");
	if (!json_is_boolean(v))
		return damaged(p, "\"pin\" is neither true nor false");
	k->needs_pin = json_is_true(v);
	r = get_bytes(p, object, "token", k->token_public, 0, sizeof(k->token_public), &len);
	if (r == 0 && len != 0 && len != sizeof(k->token_public))
		r = damaged(p, "\"token\" is too short");
	if (r != 0)
		return r;
	k->paired = len != 0;
	r = get_text(p, object, "serial", k->serial, sizeof(k->serial));
	if (r == 0)
		r = get_text(p, object, "label", k->label, sizeof(k->label));
	if (r == 0)
		r = get_number(p, object, "created", 0, CREATED_MAX, &number);
	if (r != 0)
		return r;
	k->created = (uint64_t)number;
	return keyfile_resident_valid(k) ? 0 : damaged(p, "the record of its key makes no sense");
}

static int parse_resident(const struct parse *p, struct keyfile *k, json_t *root)
{
	json_t *next = json_object_get(root, "next");
	int r;

	r = parse_key(p, &k->resident, json_object_get(root, "key"));
	if (r != 0)
		return r;
	if (!key_equal(k->resident.public_key, k->public_key))
		return damaged(p, "its key is not the one of \"public_key\"");
	if (json_is_null(next))
		return 0;
	r = parse_key(p, &k->next, next);
	if (r != 0)
		return r;
	k->has_next = true;
	if (key_equal(k->next.public_key, k->public_key))
		return damaged(p, "\"next\" is the same key again");
	return 0;
}

static int parse_file(struct parse *p, struct keyfile *k, json_t *root)
{
	const char *ifname;
	int64_t number;
	size_t choice;
	bool resident;
	int r;

	/* First of all, since a later version may have other members. */
	if (json_is_object(root) && json_is_integer(json_object_get(root, "version")) &&
	    json_integer_value(json_object_get(root, "version")) > KEYFILE_VERSION_RESIDENT)
		return damaged(p, "it is of format version %lld and this wgfido knows only version %d; use a newer wgfido",
			(long long)json_integer_value(json_object_get(root, "version")), KEYFILE_VERSION_RESIDENT);
	resident = json_is_object(root) && json_is_integer(json_object_get(root, "version")) &&
		json_integer_value(json_object_get(root, "version")) == KEYFILE_VERSION_RESIDENT;
	r = check_members(p, root, resident ? resident_file_members : file_members);
	if (r != 0)
		return r;
	r = get_number(p, root, "version", resident ? KEYFILE_VERSION_RESIDENT : KEYFILE_VERSION,
		resident ? KEYFILE_VERSION_RESIDENT : KEYFILE_VERSION, &number);
	if (r != 0)
		return r;

	ifname = json_string_value(json_object_get(root, "interface"));
	if (!ifname || !ifname_valid(ifname))
		return damaged(p, "\"interface\" is not the name of an interface");
	strcpy(k->ifname, ifname); /* ifname_valid: it fits */

	r = get_choice(p, root, "mode", mode_names, sizeof(mode_names) / sizeof(*mode_names), &choice);
	if (r != 0)
		return r;
	k->mode = (enum config_mode)choice;
	r = get_choice(p, root, "held", held_names, sizeof(held_names) / sizeof(*held_names), &choice);
	if (r != 0)
		return r;
	k->held = (enum keyfile_held)choice;
	if (resident != (k->held == KEYFILE_RESIDENT))
		return damaged(p, "\"held\" does not go with \"version\"");

	r = get_bytes(p, root, "public_key", k->public_key, sizeof(k->public_key), sizeof(k->public_key), NULL);
	if (r != 0)
		return r;
	if (resident)
		return parse_resident(p, k, root);
	r = get_bytes(p, root, "salt", k->salt, sizeof(k->salt), sizeof(k->salt), NULL);
	if (r != 0)
		return r;
	r = get_number(p, root, "next_slot_id", 1, KEYFILE_SLOT_ID_END, &number);
	if (r != 0)
		return r;
	k->next_slot_id = (uint32_t)number;
	r = parse_slots(p, k, json_object_get(root, "slots"));
	if (r != 0)
		return r;
	return get_bytes(p, root, "slots_mac", k->slots_mac, sizeof(k->slots_mac), sizeof(k->slots_mac), NULL);
}

int keyfile_parse(struct keyfile **ret, char **ret_error, const char *text, size_t len)
{
	struct parse p = { .ret_error = ret_error, .slot = -1 };
	struct keyfile *k = NULL;
	json_error_t error;
	json_t *root = NULL;
	int r;

	*ret_error = NULL;
	if (len > KEYFILE_SIZE_MAX)
		return damaged(&p, "it is larger than any key file");

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return -ENOMEM;
		/* jansson's text may quote the file; the position says enough. */
		return damaged(&p, "it is not valid JSON (line %d, column %d)", error.line, error.column);
	}

	r = -ENOMEM;
	k = calloc(1, sizeof(*k));
	if (!k)
		goto out;
	r = parse_file(&p, k, root);
	if (r != 0)
		goto out;

	*ret = k;
	k = NULL;
out:
	keyfile_free(k);
	json_decref(root);
	return r;
}

/* Sets name to v, which it takes over; false on any failure, also when v is NULL. */
static bool set(json_t *object, const char *name, json_t *v)
{
	return json_object_set_new(object, name, v) == 0;
}

static bool set_bytes(json_t *object, const char *name, const uint8_t *data, size_t len)
{
	char text[BASE64_MAX];

	sodium_bin2base64(text, sizeof(text), data, len, sodium_base64_VARIANT_ORIGINAL);
	return set(object, name, json_string(text));
}

static json_t *format_slot(const struct keyslot *s)
{
	json_t *o = json_object();
	bool ok;

	ok = o && set(o, "id", json_integer(s->id)) && set(o, "type", json_string(type_names[s->type])) &&
		set(o, "label", json_string(s->label)) && set(o, "created", json_integer((json_int_t)s->created));
	if (s->type == KEYSLOT_HMAC_SECRET)
		ok = ok && set(o, "uv", json_string(uv_names[s->uv])) && set_bytes(o, "aaguid", s->aaguid, sizeof(s->aaguid)) &&
			set_bytes(o, "credential_id", s->credential.id, s->credential.id_len) &&
			set_bytes(o, "credential_public_key", s->credential.public_key, sizeof(s->credential.public_key));
	ok = ok && set_bytes(o, "nonce", s->nonce, sizeof(s->nonce)) && set_bytes(o, "wrapped", s->wrapped, sizeof(s->wrapped));
	if (!ok) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *format_slots(const struct keyfile *k)
{
	json_t *a = json_array();

	for (size_t i = 0; a && i < k->n_slots; i++)
		if (json_array_append_new(a, format_slot(&k->slots[i])) < 0) {
			json_decref(a);
			return NULL;
		}
	return a;
}

static json_t *format_key(const struct keyfile_resident *k)
{
	char slot[KEYFILE_X_SLOT_MAX];
	json_t *o = json_object();
	bool ok;

	keyfile_x_slot_format(slot, &k->slot);
	ok = o && set_bytes(o, "public_key", k->public_key, sizeof(k->public_key)) && set(o, "slot", json_string(slot)) &&
		set(o, "touch", json_string(keyfile_x_touch_name(k->touch))) &&
		set(o, "cached_seconds", json_integer(k->cached_seconds)) && set(o, "pin", json_boolean(k->needs_pin)) &&
		set_bytes(o, "token", k->token_public, k->paired ? sizeof(k->token_public) : 0) &&
		set(o, "serial", json_string(k->serial)) && set(o, "label", json_string(k->label)) &&
		set(o, "created", json_integer((json_int_t)k->created));
	if (!ok) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int keyfile_format(char **ret_text, const struct keyfile *k)
{
	const bool resident = k->held == KEYFILE_RESIDENT;
	json_t *root = json_object();
	char *text = NULL, *line = NULL;
	int r = -ENOMEM;
	bool ok;

	ok = root && set(root, "version", json_integer(resident ? KEYFILE_VERSION_RESIDENT : KEYFILE_VERSION)) &&
		set(root, "interface", json_string(k->ifname)) && set(root, "mode", json_string(mode_names[k->mode])) &&
		set(root, "held", json_string(held_names[k->held])) &&
		set_bytes(root, "public_key", k->public_key, sizeof(k->public_key));
	if (resident)
		ok = ok && set(root, "key", format_key(&k->resident)) &&
			set(root, "next", k->has_next ? format_key(&k->next) : json_null());
	else
		ok = ok && set_bytes(root, "salt", k->salt, sizeof(k->salt)) &&
			set(root, "next_slot_id", json_integer(k->next_slot_id)) && set(root, "slots", format_slots(k)) &&
			set_bytes(root, "slots_mac", k->slots_mac, sizeof(k->slots_mac));
	if (!ok)
		goto out;
	text = json_dumps(root, JSON_INDENT(2));
	if (!text)
		goto out;
	if (asprintf(&line, "%s\n", text) < 0)
		goto out;
	*ret_text = line;
	r = 0;
out:
	free(text);
	json_decref(root);
	return r;
}
