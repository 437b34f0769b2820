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
	token/soft/store.c token/soft/store.h token/soft/store-x25519.c \
	token/soft/transport.c token/soft/transport.h \
	token/soft/transport-uhid.c token/soft/transport-unix.c token/soft/transport-usb.c \
	token/soft/usb.c token/soft/usb.h token/soft/usbip.c token/soft/usbip.h \
	token/soft/writer.c token/soft/writer.h \
	token/soft/x25519.c token/soft/x25519.h
SOFT_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CRYPTO_CFLAGS) $(CBOR_CFLAGS)
SOFT_LIBS = token/soft/libsoft.a token/x25519/libx25519.a common/libcommon.a $(CBOR_LIBS) $(CRYPTO_LIBS) $(COMMON_LIBS)
token_soft_libsoft_a_CFLAGS = $(SOFT_CFLAGS)

bin_PROGRAMS += token/soft/wgfido-softtoken
token_soft_wgfido_softtoken_SOURCES = \
	token/soft/main.c token/soft/run.c token/soft/run.h token/soft/verbs.h \
	token/soft/verb-run.c token/soft/verb-state.c token/soft/verb-touch.c \
	token/soft/verb-x25519.c
token_soft_wgfido_softtoken_CFLAGS = $(SOFT_CFLAGS)
token_soft_wgfido_softtoken_LDADD = $(SOFT_LIBS)

# Also for the tests of others: a token as a child process, and libfido2 on its socket.
SOFTTOKEN_TEST_SOURCES = tests/integration/softtoken.c tests/integration/softtoken.h
SOFTTOKEN_HOST_SOURCES = tests/integration/softtoken-host.c tests/integration/softtoken-host.h $(SOFTTOKEN_TEST_SOURCES)
UNIT_TESTS += tests/integration/test-softtoken
tests_integration_test_softtoken_SOURCES = tests/integration/test-softtoken.c $(SOFTTOKEN_HOST_SOURCES)
tests_integration_test_softtoken_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(FIDO2_CFLAGS)
tests_integration_test_softtoken_LDADD = $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_softtoken_DEPENDENCIES = token/soft/wgfido-softtoken$(EXEEXT)
UNIT_TESTS += tests/integration/test-softtoken-run
tests_integration_test_softtoken_run_SOURCES = tests/integration/test-softtoken-run.c $(SOFTTOKEN_HOST_SOURCES)
tests_integration_test_softtoken_run_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(FIDO2_CFLAGS)
tests_integration_test_softtoken_run_LDADD = $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_softtoken_run_DEPENDENCIES = token/soft/wgfido-softtoken$(EXEEXT)
UNIT_TESTS += tests/integration/test-softtoken-raw
tests_integration_test_softtoken_raw_SOURCES = tests/integration/test-softtoken-raw.c $(SOFTTOKEN_TEST_SOURCES)
tests_integration_test_softtoken_raw_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(FIDO2_CFLAGS)
tests_integration_test_softtoken_raw_LDADD = $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_softtoken_raw_DEPENDENCIES = token/soft/wgfido-softtoken$(EXEEXT)

UNIT_TESTS += tests/integration/test-softtoken-x25519
tests_integration_test_softtoken_x25519_SOURCES = tests/integration/test-softtoken-x25519.c $(SOFTTOKEN_TEST_SOURCES) \
	$(X25519_HOST_SOURCES)
tests_integration_test_softtoken_x25519_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS) $(FIDO2_CFLAGS)
tests_integration_test_softtoken_x25519_LDADD = $(X25519_LIBS) $(FIDO2_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_integration_test_softtoken_x25519_DEPENDENCIES = token/soft/wgfido-softtoken$(EXEEXT)

FUZZ_TARGETS += tests/fuzz/fuzz-soft-cbor
tests_fuzz_fuzz_soft_cbor_SOURCES = tests/fuzz/fuzz-soft-cbor.c
tests_fuzz_fuzz_soft_cbor_CFLAGS = $(SOFT_CFLAGS)
tests_fuzz_fuzz_soft_cbor_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE) -Wl,--wrap=pinauth_verify \
	-Wl,--wrap=secret_equal -Wl,--wrap=secret_new -Wl,--wrap=p256_agree
tests_fuzz_fuzz_soft_cbor_LDADD = tests/fuzz/libreplay.a $(SOFT_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-soft-hid
tests_fuzz_fuzz_soft_hid_SOURCES = tests/fuzz/fuzz-soft-hid.c
tests_fuzz_fuzz_soft_hid_CFLAGS = $(SOFT_CFLAGS)
tests_fuzz_fuzz_soft_hid_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_soft_hid_LDADD = tests/fuzz/libreplay.a $(SOFT_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-soft-usb
tests_fuzz_fuzz_soft_usb_SOURCES = tests/fuzz/fuzz-soft-usb.c
tests_fuzz_fuzz_soft_usb_CFLAGS = $(SOFT_CFLAGS)
tests_fuzz_fuzz_soft_usb_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_soft_usb_LDADD = tests/fuzz/libreplay.a $(SOFT_LIBS)

UNIT_TESTS += tests/unit/test-soft-ctap2 tests/unit/test-soft-hid tests/unit/test-soft-pin tests/unit/test-soft-reader tests/unit/test-soft-store \
	tests/unit/test-soft-uhid tests/unit/test-soft-usb tests/unit/test-soft-x25519
SOFT_HOST_SOURCES = tests/unit/soft-host.c tests/unit/soft-host.h tests/unit/unit.h
tests_unit_test_soft_ctap2_SOURCES = tests/unit/test-soft-ctap2.c $(SOFT_HOST_SOURCES)
tests_unit_test_soft_ctap2_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_ctap2_LDADD = $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_hid_SOURCES = tests/unit/test-soft-hid.c tests/unit/unit.h
tests_unit_test_soft_hid_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_hid_LDADD = $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_pin_SOURCES = tests/unit/test-soft-pin.c $(SOFT_HOST_SOURCES)
tests_unit_test_soft_pin_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_pin_LDADD = $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_reader_SOURCES = tests/unit/test-soft-reader.c tests/unit/unit.h
tests_unit_test_soft_reader_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_reader_LDADD = $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_store_SOURCES = tests/unit/test-soft-store.c tests/unit/unit.h
tests_unit_test_soft_store_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_store_LDADD = $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_uhid_SOURCES = tests/unit/test-soft-uhid.c tests/unit/unit.h
tests_unit_test_soft_uhid_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_uhid_LDADD = token/libtoken.a $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_usb_SOURCES = tests/unit/test-soft-usb.c tests/unit/unit.h
tests_unit_test_soft_usb_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_usb_LDADD = token/libtoken.a $(SOFT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_soft_x25519_SOURCES = tests/unit/test-soft-x25519.c $(X25519_HOST_SOURCES) tests/unit/unit.h
tests_unit_test_soft_x25519_CFLAGS = $(SOFT_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_soft_x25519_LDADD = $(SOFT_LIBS) $(CMOCKA_LIBS)
