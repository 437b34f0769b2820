noinst_LIBRARIES += token/soft/libsoft.a
token_soft_libsoft_a_SOURCES = \
	token/soft/control.c token/soft/control.h \
	token/soft/credential.c token/soft/credential.h \
	token/soft/ctap2.c token/soft/ctap2.h token/soft/ctap2-internal.h \
	token/soft/ctap2-assert.c token/soft/ctap2-common.c token/soft/ctap2-hmac.c \
	token/soft/ctap2-make.c token/soft/ctap2-pin.c \
	token/soft/evp.c token/soft/evp.h \
	token/soft/hid.c token/soft/hid.h \
	token/soft/p256.c token/soft/p256.h \
	token/soft/pinauth.c token/soft/pinauth.h \
	token/soft/reader.c token/soft/reader.h \
	token/soft/server.c token/soft/server.h \
	token/soft/status.h \
	token/soft/store.c token/soft/store.h \
	token/soft/transport-unix.c token/soft/transport.h \
	token/soft/writer.c token/soft/writer.h
SOFT_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CRYPTO_CFLAGS) $(CBOR_CFLAGS)
SOFT_LIBS = token/soft/libsoft.a common/libcommon.a $(CBOR_LIBS) $(CRYPTO_LIBS) $(COMMON_LIBS)
token_soft_libsoft_a_CFLAGS = $(SOFT_CFLAGS)

bin_PROGRAMS += token/soft/wgfido-softtoken
token_soft_wgfido_softtoken_SOURCES = \
	token/soft/main.c token/soft/run.c token/soft/run.h token/soft/verbs.h \
	token/soft/verb-run.c token/soft/verb-state.c token/soft/verb-touch.c
token_soft_wgfido_softtoken_CFLAGS = $(SOFT_CFLAGS)
token_soft_wgfido_softtoken_LDADD = $(SOFT_LIBS)

# Also for the tests of others: a token as a child process, and libfido2 on its socket.
SOFTTOKEN_TEST_SOURCES = tests/integration/softtoken.c tests/integration/softtoken.h
UNIT_TESTS += tests/integration/test-softtoken
tests_integration_test_softtoken_SOURCES = tests/integration/test-softtoken.c $(SOFTTOKEN_TEST_SOURCES)
tests_integration_test_softtoken_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(FIDO2_CFLAGS)
tests_integration_test_softtoken_LDADD = $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_softtoken_DEPENDENCIES = token/soft/wgfido-softtoken$(EXEEXT)
