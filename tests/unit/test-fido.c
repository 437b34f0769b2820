/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile authenticator behind libfido2: it signs properly, and lies in one thing at a time. Nothing it says may come out as
 * an output but the honest answer.
 */
#include "tests/unit/unit.h"

#include <cbor.h>
#include <errno.h>
#include <fido.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "common/names.h"
#include "tests/unit/fake-token.h"
#include "token/fido.h"

#define UP 0x01
#define UV 0x04
#define AT 0x40
#define ED 0x80

/* What this token does; the zero value is made honest by setup. */
struct behaviour {
	uint8_t status[256];	/* by CTAP command: an error instead of an answer */
	bool no_hmac_secret, pin_set, bad_info;
	uint8_t flags;		/* of an assertion or credential */
	bool wrong_rp, wrong_signature, other_id, no_id, no_extension, several;
	uint8_t hmac_size;
	uint8_t cred_protect;	/* in a new credential; 0: none */
	bool no_cred_hmac;
	const char *format;
};

struct fixture {
	struct fake_token token;
	EVP_PKEY *key;
	struct behaviour b;
	uint8_t out[2048];
	size_t len;
	uint8_t client_data_hash[32]; /* getNextAssertion signs the same again */
	unsigned int n_commands[256];
	struct wire_request request;
	struct wire_result result;
	struct wire_credential credential;
};

/* CBOR of up to 65535 bytes or items. */
static void put(struct fixture *f, const void *p, size_t n)
{
	assert_true(f->len + n <= sizeof(f->out));
	memcpy(f->out + f->len, p, n);
	f->len += n;
}

static void head(struct fixture *f, unsigned int major, size_t n)
{
	uint8_t h[3] = {(uint8_t)(major << 5 | (n < 24 ? n : 25)), (uint8_t)(n >> 8), (uint8_t)n};

	if (n >= 24 && n < 256) {
		h[0] = (uint8_t)(major << 5 | 24);
		h[1] = (uint8_t)n;
		put(f, h, 2);
	} else {
		put(f, h, n < 24 ? 1 : 3);
	}
}

static void number(struct fixture *f, int v)
{
	head(f, v < 0 ? 1u : 0u, (size_t)(v < 0 ? -1 - v : v));
}

static void bytes(struct fixture *f, const void *p, size_t n)
{
	head(f, 2, n);
	put(f, p, n);
}

static void text(struct fixture *f, const char *s)
{
	head(f, 3, strlen(s));
	put(f, s, strlen(s));
}

static void boolean(struct fixture *f, bool v)
{
	put(f, v ? "\xf5" : "\xf4", 1);
}

static void coordinates(struct fixture *f, uint8_t ret[static 64])
{
	static const char *const names[] = {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y};

	for (int i = 0; i < 2; i++) {
		BIGNUM *bn = NULL;

		assert_int_equal(EVP_PKEY_get_bn_param(f->key, names[i], &bn), 1);
		assert_int_equal(BN_bn2binpad(bn, ret + 32 * i, 32), 32);
		BN_free(bn);
	}
}

static void cose_key(struct fixture *f, int algorithm)
{
	uint8_t xy[64];

	coordinates(f, xy);
	head(f, 5, 5);
	number(f, 1);
	number(f, 2);
	number(f, 3);
	number(f, algorithm);
	number(f, -1);
	number(f, 1);
	number(f, -2);
	bytes(f, xy, 32);
	number(f, -3);
	bytes(f, xy + 32, 32);
}

/* The value of an unsigned key in the request's map. */
static cbor_item_t *request_field(struct fixture *f, unsigned int key)
{
	struct cbor_load_result loaded;
	cbor_item_t *map = cbor_load(f->token.message + 1, f->token.in.len - 1, &loaded), *found = NULL;

	assert_non_null(map);
	for (size_t i = 0; i < cbor_map_size(map); i++) {
		if (cbor_get_int(cbor_map_handle(map)[i].key) == key)
			found = cbor_incref(cbor_map_handle(map)[i].value);
	}
	cbor_decref(&map);
	assert_non_null(found);
	return found;
}

static void sign(struct fixture *f, const uint8_t *authdata, size_t len, unsigned int hash_key)
{
	cbor_item_t *hash;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[80];
	size_t signature_len = sizeof(signature);

	if (f->token.in.len > 1) {
		hash = request_field(f, hash_key);
		assert_int_equal(cbor_bytestring_length(hash), 32);
		memcpy(f->client_data_hash, cbor_bytestring_handle(hash), 32);
		cbor_decref(&hash);
	}
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, f->key), 1);
	assert_int_equal(EVP_DigestSignUpdate(ctx, authdata, len), 1);
	assert_int_equal(EVP_DigestSignUpdate(ctx, f->client_data_hash, 32), 1);
	assert_int_equal(EVP_DigestSignFinal(ctx, signature, &signature_len), 1);
	if (f->b.wrong_signature)
		signature[signature_len - 1] ^= 1;
	bytes(f, signature, signature_len);
	EVP_MD_CTX_free(ctx);
}

static void authdata_start(struct fixture *f)
{
	const char *rp = f->b.wrong_rp ? "example.org" : WGFIDO_RP_ID;
	uint8_t hash[32];

	crypto_hash_sha256(hash, (const uint8_t *)rp, strlen(rp));
	put(f, hash, sizeof(hash));
	put(f, &f->b.flags, 1);
	put(f, "\0\0\0\1", 4);
}

static void credential_id(struct fixture *f)
{
	uint8_t id[16];

	memset(id, f->b.other_id ? 8 : 9, sizeof(id));
	head(f, 5, 2);
	text(f, "id");
	bytes(f, id, sizeof(id));
	text(f, "type");
	text(f, "public-key");
}

static void get_info(struct fixture *f)
{
	head(f, 5, 5);
	number(f, 1);
	head(f, 4, 1);
	text(f, "FIDO_2_0");
	number(f, 2);
	head(f, 4, f->b.no_hmac_secret ? 1 : 2);
	text(f, "credProtect");
	if (!f->b.no_hmac_secret)
		text(f, "hmac-secret");
	number(f, 3);
	bytes(f, "AAGUIDAAGUIDAAGU", f->b.bad_info ? 3 : 16);
	number(f, 4);
	head(f, 5, 1);
	text(f, "clientPin");
	boolean(f, f->b.pin_set);
	number(f, 6);
	head(f, 4, 1);
	number(f, 1);
}

static void client_pin(struct fixture *f)
{
	cbor_item_t *sub = request_field(f, 2);
	uint64_t which = cbor_get_int(sub);

	cbor_decref(&sub);
	head(f, 5, 1);
	switch (which) {
	case 1: /* retries */
		number(f, 3);
		number(f, 5);
		break;
	case 2: /* key agreement */
		number(f, 1);
		cose_key(f, -25);
		break;
	default: /* a token: any 32 bytes decrypt to one, under protocol one */
		number(f, 2);
		bytes(f, "0123456789abcdef0123456789abcdef", 32);
		break;
	}
}

static void with_authdata(struct fixture *f, size_t start, uint8_t *ret, size_t *ret_len)
{
	*ret_len = f->len - start;
	memcpy(ret, f->out + start, *ret_len);
	f->len = start;
	bytes(f, ret, *ret_len);
}

static void get_assertion(struct fixture *f)
{
	static const uint8_t encrypted[80] = {1, 2, 3};
	uint8_t authdata[512];
	size_t len, start;

	head(f, 5, 2u + (f->b.no_id ? 0u : 1u) + (f->b.several ? 1u : 0u));
	if (!f->b.no_id) {
		number(f, 1);
		credential_id(f);
	}
	number(f, 2);
	start = f->len;
	authdata_start(f);
	if (f->b.flags & ED) {
		head(f, 5, f->b.no_extension ? 0 : 1);
		if (!f->b.no_extension) {
			text(f, "hmac-secret");
			bytes(f, encrypted, f->b.hmac_size);
		}
	}
	with_authdata(f, start, authdata, &len);
	number(f, 3);
	sign(f, authdata, len, 2);
	if (f->b.several) {
		number(f, 5);
		number(f, 2);
	}
}

static void make_credential(struct fixture *f)
{
	uint8_t authdata[512], id[16];
	size_t len, start;
	unsigned int n = (f->b.no_cred_hmac ? 0u : 1u) + (f->b.cred_protect ? 1u : 0u);

	memset(id, 9, sizeof(id));
	head(f, 5, 3);
	number(f, 1);
	text(f, f->b.format);
	number(f, 2);
	start = f->len;
	authdata_start(f);
	put(f, "AAGUIDAAGUIDAAGU\0\x10", 18);
	put(f, id, sizeof(id));
	cose_key(f, -7);
	if (f->b.flags & ED) {
		head(f, 5, n);
		if (f->b.cred_protect) {
			text(f, "credProtect");
			number(f, f->b.cred_protect);
		}
		if (!f->b.no_cred_hmac) {
			text(f, "hmac-secret");
			boolean(f, true);
		}
	}
	with_authdata(f, start, authdata, &len);
	number(f, 3);
	if (strcmp(f->b.format, "none") == 0) {
		head(f, 5, 0);
		return;
	}
	head(f, 5, 2);
	text(f, "alg");
	number(f, -7);
	text(f, "sig");
	sign(f, authdata, len, 1);
}

static void on_write(struct fake_token *t, const uint8_t *report)
{
	struct fixture *f = t->userdata;
	uint8_t command;

	if (report[4] == (0x80 | CTAPHID_CANCEL) || !fake_token_take(t, report))
		return;
	command = t->message[0];
	f->n_commands[command]++;
	f->len = 0;
	put(f, &f->b.status[command], 1);
	if (f->b.status[command] == 0) {
		switch (command) {
		case 0x01:
			make_credential(f);
			break;
		case 0x02:
		case 0x08:
			get_assertion(f);
			break;
		case 0x04:
			get_info(f);
			break;
		case 0x06:
			client_pin(f);
			break;
		}
	}
	fake_token_queue(t, t->cid, CTAPHID_CBOR, f->out, f->len, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fake_token_init(&f->token);
	f->token.userdata = f;
	f->token.on_write = on_write;
	f->key = EVP_EC_gen("P-256");
	assert_non_null(f->key);
	f->b = (struct behaviour){.flags = UP | ED, .hmac_size = 32, .format = "packed"};
	f->credential.id_len = 16;
	memset(f->credential.id, 9, 16);
	coordinates(f, f->credential.public_key);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	EVP_PKEY_free(f->key);
	free(f);
	return 0;
}

static enum outcome run(struct fixture *f, enum wire_type type, const char *pin)
{
	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	f->request = (struct wire_request){.type = type, .serial = 1};
	if (type == WIRE_EVALUATE || type == WIRE_PROBE) {
		f->request.n_credentials = 1;
		f->request.credentials[0] = f->credential;
		f->request.n_salts = 1;
	}
	if (pin) {
		f->request.uv = WIRE_UV_PIN;
		f->request.pin = secret_new(strlen(pin));
		assert_non_null(f->request.pin);
		memcpy(secret_borrow_mut(f->request.pin), pin, strlen(pin));
	}
	memset(f->n_commands, 0, sizeof(f->n_commands));
	fido_operate(&f->result, &f->request, &f->token.transport, f->token.clock.now.boot_us + 5 * US_PER_SEC, NULL);
	assert_null(f->request.pin); /* freed as soon as it was used */
	assert_int_equal(f->token.n_opened, f->token.n_closed);
	if (f->result.outcome != OUTCOME_OK)
		assert_null(f->result.outputs[0]);
	return f->result.outcome;
}

static void test_honest(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, WIRE_INFO, NULL), OUTCOME_OK);
	assert_string_equal(f->result.info.product, "Fake");
	assert_memory_equal(f->result.info.aaguid, "AAGUIDAAGUIDAAGU", 16);
	assert_int_equal(f->result.info.capabilities,
		WIRE_CAP_FIDO2 | WIRE_CAP_HMAC_SECRET | WIRE_CAP_CLIENT_PIN | WIRE_CAP_CRED_PROTECT);

	assert_int_equal(run(f, WIRE_EVALUATE, NULL), OUTCOME_OK);
	assert_int_equal(secret_len(f->result.outputs[0]), 32);
	assert_int_equal(f->n_commands[2], 1);
	f->b.no_id = true; /* allowed with one credential */
	assert_int_equal(run(f, WIRE_EVALUATE, NULL), OUTCOME_OK);
}

static void test_lying_assertions(void **state)
{
	struct fixture *f = *state;
	const struct behaviour honest = f->b;
	struct {
		struct behaviour b;
		enum outcome expected;
	} lies[12];
	size_t n = 0;

#define LIE(outcome_, ...)                                   \
	do {                                                 \
		f->b = honest;                               \
		__VA_ARGS__;                                 \
		lies[n].b = f->b;                            \
		lies[n++].expected = outcome_;               \
	} while (0)
	LIE(OUTCOME_TOKEN_FAILED, f->b.flags = ED);		 /* no touch */
	LIE(OUTCOME_UNSUPPORTED, f->b.flags = UP | UV | ED);	 /* another secret */
	LIE(OUTCOME_TOKEN_FAILED, f->b.wrong_rp = true);
	LIE(OUTCOME_TOKEN_FAILED, f->b.wrong_signature = true);
	LIE(OUTCOME_TOKEN_FAILED, f->b.other_id = true);
	LIE(OUTCOME_TOKEN_FAILED, f->b.no_extension = true);
	LIE(OUTCOME_TOKEN_FAILED, f->b.flags = UP);		 /* no extensions at all */
	LIE(OUTCOME_TOKEN_FAILED, f->b.hmac_size = 0);		 /* as libfido2 lets through when out of step */
	LIE(OUTCOME_TOKEN_FAILED, f->b.hmac_size = 16);
	LIE(OUTCOME_TOKEN_FAILED, f->b.hmac_size = 64);		 /* two outputs for one salt */
	LIE(OUTCOME_TOKEN_FAILED, f->b.hmac_size = 33);
	LIE(OUTCOME_TOKEN_FAILED, f->b.several = true);
#undef LIE
	for (size_t i = 0; i < n; i++) {
		f->b = lies[i].b;
		if (run(f, WIRE_EVALUATE, NULL) != lies[i].expected)
			fail_msg("lie %zu: %s (%s)", i, outcome_name(f->result.outcome), f->result.detail);
		assert_int_not_equal(f->result.detail[0], 0);
	}
	f->b = honest;
	assert_int_equal(run(f, WIRE_EVALUATE, NULL), OUTCOME_OK);
}

static void test_verification_is_demanded(void **state)
{
	struct fixture *f = *state;

	f->b.pin_set = true;
	f->b.flags = UP | ED; /* "uv=true" answered with OK and UV clear */
	assert_int_equal(run(f, WIRE_EVALUATE, "123456"), OUTCOME_TOKEN_FAILED);
	f->b.flags = UP | UV | ED;
	assert_int_equal(run(f, WIRE_EVALUATE, "123456"), OUTCOME_OK);
	f->b.pin_set = false; /* nothing is sent that could cost a try */
	assert_int_equal(run(f, WIRE_EVALUATE, "123456"), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->n_commands[6], 0);
}

static void test_probe(void **state)
{
	struct fixture *f = *state;

	f->b.flags = 0;
	assert_int_equal(run(f, WIRE_PROBE, NULL), OUTCOME_OK);
	assert_int_equal(f->result.known, 1);
	f->b.wrong_signature = true;
	assert_int_equal(run(f, WIRE_PROBE, NULL), OUTCOME_OK);
	assert_int_equal(f->result.known, 0);
	f->b.status[2] = FIDO_ERR_NO_CREDENTIALS;
	assert_int_equal(run(f, WIRE_PROBE, NULL), OUTCOME_OK);
	assert_int_equal(f->result.known, 0);
	f->b.status[2] = FIDO_ERR_UP_REQUIRED;
	assert_int_equal(run(f, WIRE_PROBE, NULL), OUTCOME_UNSUPPORTED);
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint8_t error;
		enum outcome outcome;
		int retries;
	} cases[] = {
		{FIDO_ERR_PIN_INVALID, OUTCOME_PIN_INVALID, 5},
		{FIDO_ERR_PIN_BLOCKED, OUTCOME_PIN_BLOCKED, 5},
		{FIDO_ERR_PIN_AUTH_BLOCKED, OUTCOME_PIN_BLOCKED, 5},
		{FIDO_ERR_PIN_REQUIRED, OUTCOME_PIN_REQUIRED, -1},
		{FIDO_ERR_NO_CREDENTIALS, OUTCOME_WRONG_TOKEN, -1},
		{FIDO_ERR_INVALID_CREDENTIAL, OUTCOME_WRONG_TOKEN, -1},
		{FIDO_ERR_ACTION_TIMEOUT, OUTCOME_TOUCH_TIMEOUT, -1},
		{FIDO_ERR_USER_ACTION_TIMEOUT, OUTCOME_TOUCH_TIMEOUT, -1},
		{FIDO_ERR_OPERATION_DENIED, OUTCOME_TOUCH_TIMEOUT, -1},
		{FIDO_ERR_KEEPALIVE_CANCEL, OUTCOME_CANCELLED, -1},
		{FIDO_ERR_UNSUPPORTED_EXTENSION, OUTCOME_UNSUPPORTED, -1},
		{FIDO_ERR_UNSUPPORTED_OPTION, OUTCOME_UNSUPPORTED, -1},
		{FIDO_ERR_CREDENTIAL_EXCLUDED, OUTCOME_EXISTS, -1},
		{FIDO_ERR_ERR_OTHER, OUTCOME_TOKEN_FAILED, -1},
		{0xf2, OUTCOME_TOKEN_FAILED, -1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		f->b.status[2] = cases[i].error;
		assert_int_equal(run(f, WIRE_EVALUATE, NULL), cases[i].outcome);
		assert_int_equal(f->result.pin_retries, cases[i].retries);
		assert_int_equal(f->n_commands[2], 1); /* never tried again by itself */
	}
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	static const char *const formats[] = {"packed", "none"};

	for (size_t i = 0; i < 2; i++) {
		const struct behaviour honest = {.flags = UP | AT | ED, .hmac_size = 32, .format = formats[i], .pin_set = true};

		f->b = honest;
		assert_int_equal(run(f, WIRE_CREATE, NULL), OUTCOME_OK);
		assert_int_equal(f->result.credential.id_len, 16);
		assert_memory_equal(f->result.credential.public_key, f->credential.public_key, 64);
		f->b.flags = UP | UV | AT | ED;
		f->b.cred_protect = 3;
		assert_int_equal(run(f, WIRE_CREATE, "123456"), OUTCOME_OK);

		f->b.cred_protect = 2;
		assert_int_equal(run(f, WIRE_CREATE, "123456"), OUTCOME_TOKEN_FAILED);
		f->b.cred_protect = 0;
		assert_int_equal(run(f, WIRE_CREATE, "123456"), OUTCOME_TOKEN_FAILED);
		f->b.cred_protect = 3;
		f->b.flags = UP | AT | ED;
		assert_int_equal(run(f, WIRE_CREATE, "123456"), OUTCOME_TOKEN_FAILED);
		f->b = honest;
		f->b.flags = AT | ED;
		assert_int_equal(run(f, WIRE_CREATE, NULL), OUTCOME_TOKEN_FAILED);
		f->b = honest;
		f->b.wrong_rp = true;
		assert_int_equal(run(f, WIRE_CREATE, NULL), OUTCOME_TOKEN_FAILED);
		f->b = honest;
		f->b.no_cred_hmac = true;
		assert_int_not_equal(run(f, WIRE_CREATE, NULL), OUTCOME_OK);
		f->b = honest;
		f->b.flags = UP | AT; /* no extensions */
		assert_int_equal(run(f, WIRE_CREATE, NULL), OUTCOME_TOKEN_FAILED);
	}
	f->b = (struct behaviour){.flags = UP | AT | ED, .format = "packed", .wrong_signature = true};
	assert_int_equal(run(f, WIRE_CREATE, NULL), OUTCOME_TOKEN_FAILED);
	f->b = (struct behaviour){.flags = UP | AT | ED, .format = "packed", .no_hmac_secret = true};
	assert_int_equal(run(f, WIRE_CREATE, NULL), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->n_commands[1], 0); /* before anybody was asked for a touch */
}

static void test_not_fido2(void **state)
{
	struct fixture *f = *state;

	f->token.capabilities = 0;
	assert_int_equal(run(f, WIRE_INFO, NULL), OUTCOME_OK);
	assert_int_equal(f->result.info.capabilities, 0);
	assert_int_equal(run(f, WIRE_EVALUATE, NULL), OUTCOME_UNSUPPORTED);

	/* a FIDO2 key that cannot say what it is, is broken and not an older one */
	f->token.capabilities = 0x0c;
	f->b.bad_info = true;
	assert_int_equal(run(f, WIRE_INFO, NULL), OUTCOME_TOKEN_FAILED);
	f->b.bad_info = false;
	f->b.status[4] = FIDO_ERR_ERR_OTHER;
	assert_int_equal(run(f, WIRE_INFO, NULL), OUTCOME_TOKEN_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_honest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lying_assertions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verification_is_demanded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_fido2, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	fido_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
