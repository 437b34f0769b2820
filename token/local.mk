noinst_LIBRARIES += token/libtoken.a
token_libtoken_a_SOURCES = \
	token/authdata.c token/authdata.h \
	token/ctaphid.c token/ctaphid.h \
	token/ctaphid-frame.c token/ctaphid-frame.h \
	token/fido.c token/fido.h token/fido-ops.h \
	token/fido-assert.c \
	token/fido-create.c \
	token/hid.c token/hid.h \
	token/hid-desc.c token/hid-desc.h \
	token/sandbox.c token/sandbox.h \
	token/seqpacket.c token/seqpacket.h \
	token/session.c token/session.h \
	token/transport.c token/transport.h \
	token/worker.c token/worker.h \
	token/x25519-ops.c token/x25519-ops.h \
	token/x25519-vendor.c token/x25519-vendor.h
TOKEN_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(FIDO2_CFLAGS) $(CBOR_CFLAGS) $(CRYPTO_CFLAGS) $(HIDAPI_CFLAGS) $(SECCOMP_CFLAGS)
token_libtoken_a_CFLAGS = $(TOKEN_CFLAGS)
TOKEN_LIBS = token/libtoken.a token/x25519/libx25519.a common/libcommon.a $(FIDO2_LIBS) $(CBOR_LIBS) $(CRYPTO_LIBS) $(HIDAPI_LIBS) $(SECCOMP_LIBS) \
	$(COMMON_LIBS)

pkglibexec_PROGRAMS += token/wgfido-token
token_wgfido_token_SOURCES = token/main.c
token_wgfido_token_CFLAGS = $(TOKEN_CFLAGS)
token_wgfido_token_LDADD = token/card/libpcsc.a $(TOKEN_LIBS) $(PCSC_LIBS)

UNIT_TESTS += tests/unit/test-ctaphid
tests_unit_test_ctaphid_SOURCES = tests/unit/test-ctaphid.c tests/unit/fake-token.c tests/unit/fake-token.h
tests_unit_test_ctaphid_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_ctaphid_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-hid-desc
tests_unit_test_hid_desc_SOURCES = tests/unit/test-hid-desc.c
tests_unit_test_hid_desc_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hid_desc_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-ctaphid
tests_fuzz_fuzz_ctaphid_SOURCES = tests/fuzz/fuzz-ctaphid.c
tests_fuzz_fuzz_ctaphid_CFLAGS = $(TOKEN_CFLAGS)
tests_fuzz_fuzz_ctaphid_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_ctaphid_LDADD = tests/fuzz/libreplay.a $(TOKEN_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-x25519-vendor
tests_fuzz_fuzz_x25519_vendor_SOURCES = tests/fuzz/fuzz-x25519-vendor.c $(FAKE_VENDOR_SOURCES)
tests_fuzz_fuzz_x25519_vendor_CFLAGS = $(TOKEN_CFLAGS)
tests_fuzz_fuzz_x25519_vendor_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_x25519_vendor_LDADD = tests/fuzz/libreplay.a $(TOKEN_LIBS)

UNIT_TESTS += tests/integration/test-token-soft
tests_integration_test_token_soft_SOURCES = tests/integration/test-token-soft.c tests/integration/soft-worker.c tests/integration/soft-worker.h \
	$(SOFTTOKEN_TEST_SOURCES)
tests_integration_test_token_soft_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(FIDO2_CFLAGS) $(CMOCKA_CFLAGS)
tests_integration_test_token_soft_LDADD = common/libcommon.a $(COMMON_LIBS) $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_token_soft_DEPENDENCIES = token/wgfido-token$(EXEEXT) token/soft/wgfido-softtoken$(EXEEXT)

UNIT_TESTS += tests/integration/test-x25519-soft
X25519_SOFT_FIXTURE = tests/integration/x25519-soft-fixture.c tests/integration/x25519-soft-fixture.h tests/integration/soft-worker.c \
	tests/integration/soft-worker.h $(SOFTTOKEN_TEST_SOURCES)
tests_integration_test_x25519_soft_SOURCES = tests/integration/test-x25519-soft.c $(X25519_SOFT_FIXTURE)
tests_integration_test_x25519_soft_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(FIDO2_CFLAGS) $(CMOCKA_CFLAGS)
tests_integration_test_x25519_soft_LDADD = token/x25519/libx25519.a common/libcommon.a $(COMMON_LIBS) $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_x25519_soft_DEPENDENCIES = token/wgfido-token$(EXEEXT) token/soft/wgfido-softtoken$(EXEEXT)

UNIT_TESTS += tests/integration/test-x25519-soft-others
tests_integration_test_x25519_soft_others_SOURCES = tests/integration/test-x25519-soft-others.c $(X25519_SOFT_FIXTURE) \
	tests/unit/x25519-host.c tests/unit/x25519-host.h
tests_integration_test_x25519_soft_others_CFLAGS = $(tests_integration_test_x25519_soft_CFLAGS)
tests_integration_test_x25519_soft_others_LDADD = $(tests_integration_test_x25519_soft_LDADD)
EXTRA_tests_integration_test_x25519_soft_others_DEPENDENCIES = token/wgfido-token$(EXEEXT) token/soft/wgfido-softtoken$(EXEEXT)

UNIT_TESTS += tests/unit/test-sandbox
tests_unit_test_sandbox_SOURCES = tests/unit/test-sandbox.c tests/unit/unit.h
tests_unit_test_sandbox_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sandbox_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-token-worker
tests_unit_test_token_worker_SOURCES = tests/unit/test-token-worker.c $(FAKE_VENDOR_SOURCES)
tests_unit_test_token_worker_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_token_worker_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-fido
tests_unit_test_fido_SOURCES = tests/unit/test-fido.c tests/unit/fake-token.c tests/unit/fake-token.h
tests_unit_test_fido_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_fido_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-x25519-vendor
FAKE_VENDOR_SOURCES = tests/unit/fake-vendor.c tests/unit/fake-vendor.h tests/unit/fake-token.c tests/unit/fake-token.h \
	tests/unit/x25519-memory.c tests/unit/x25519-memory.h
VENDOR_FIXTURE = tests/unit/x25519-vendor-fixture.c tests/unit/x25519-vendor-fixture.h tests/unit/unit.h $(FAKE_VENDOR_SOURCES)
tests_unit_test_x25519_vendor_SOURCES = tests/unit/test-x25519-vendor.c $(VENDOR_FIXTURE)
tests_unit_test_x25519_vendor_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_x25519_vendor_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)
tests_unit_test_x25519_vendor_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=secret_new,--wrap=sodium_malloc

UNIT_TESTS += tests/unit/test-x25519-vendor-lies
tests_unit_test_x25519_vendor_lies_SOURCES = tests/unit/test-x25519-vendor-lies.c $(VENDOR_FIXTURE)
tests_unit_test_x25519_vendor_lies_CFLAGS = $(tests_unit_test_x25519_vendor_CFLAGS)
tests_unit_test_x25519_vendor_lies_LDADD = $(tests_unit_test_x25519_vendor_LDADD)
tests_unit_test_x25519_vendor_lies_LDFLAGS = $(tests_unit_test_x25519_vendor_LDFLAGS)

UNIT_TESTS += tests/unit/test-hid
tests_unit_test_hid_SOURCES = tests/unit/test-hid.c
tests_unit_test_hid_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hid_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)
tests_unit_test_hid_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=ioctl,--wrap=hid_init,--wrap=hid_exit,--wrap=hid_open_path,--wrap=hid_close \
	-Wl,--wrap=hid_write,--wrap=hid_read_timeout

# Without sanitizers, whatever the build: those need a wider sandbox than the one that ships.
UNIT_TESTS += tests/unit/test-sandbox-escape
tests_unit_test_sandbox_escape_SOURCES = tests/unit/test-sandbox-escape.c tests/unit/unit.h token/sandbox.c token/sandbox.h common/secret.c
tests_unit_test_sandbox_escape_CFLAGS = -std=gnu11 $(WARN_CFLAGS) $(HARDEN_CFLAGS) $(SODIUM_CFLAGS) $(SECCOMP_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sandbox_escape_LDFLAGS = -Wl,-z,relro -Wl,-z,now -Wl,--as-needed
tests_unit_test_sandbox_escape_LDADD = $(SODIUM_LIBS) $(SECCOMP_LIBS) $(CMOCKA_LIBS)
