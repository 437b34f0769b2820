# Smart cards: the bytes of their applications (pure), the way to them (PC/SC, where it was found), the worker's operations.
token_libtoken_a_SOURCES += \
	token/card/apdu.c token/card/apdu.h \
	token/card/card.c token/card/card.h token/card/card-internal.h \
	token/card/card-openpgp.c token/card/card-piv.c \
	token/card/monitor.c token/card/monitor.h \
	token/card/openpgp.c token/card/openpgp.h \
	token/card/pcsc.h \
	token/card/piv.c token/card/piv.h \
	token/card/tlv.c token/card/tlv.h \
	token/card/watchdog.c token/card/watchdog.h

# A library of its own: tests put a fake in its place.
noinst_LIBRARIES += token/card/libpcsc.a
token_card_libpcsc_a_CFLAGS = $(TOKEN_CFLAGS) $(PCSC_CFLAGS)
if HAVE_PCSC
token_card_libpcsc_a_SOURCES = token/card/pcsc.c
else
token_card_libpcsc_a_SOURCES = token/card/pcsc-absent.c
endif
EXTRA_DIST += token/card/pcsc.c token/card/pcsc-absent.c

UNIT_TESTS += tests/unit/test-card-apdu
tests_unit_test_card_apdu_SOURCES = tests/unit/test-card-apdu.c tests/unit/unit.h
tests_unit_test_card_apdu_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_card_apdu_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-card-applets
tests_unit_test_card_applets_SOURCES = tests/unit/test-card-applets.c tests/unit/unit.h
tests_unit_test_card_applets_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_card_applets_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-card-tlv
tests_fuzz_fuzz_card_tlv_SOURCES = tests/fuzz/fuzz-card-tlv.c
tests_fuzz_fuzz_card_tlv_CFLAGS = $(TOKEN_CFLAGS)
tests_fuzz_fuzz_card_tlv_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_card_tlv_LDADD = tests/fuzz/libreplay.a $(TOKEN_LIBS)

# The project's own card: the applications in memory, and a reader for them in the test's process.
CARD_EMULATOR = tests/card/emulator.c tests/card/emulator.h
FAKE_CARD = $(CARD_EMULATOR) tests/card/fake-pcsc.c tests/card/fake-pcsc.h

UNIT_TESTS += tests/unit/test-card
CARD_FIXTURE = tests/unit/card-fixture.c tests/unit/card-fixture.h tests/unit/unit.h $(FAKE_CARD)
tests_unit_test_card_SOURCES = tests/unit/test-card.c $(CARD_FIXTURE)
tests_unit_test_card_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_card_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-card-session
tests_unit_test_card_session_SOURCES = tests/unit/test-card-session.c $(CARD_FIXTURE)
tests_unit_test_card_session_CFLAGS = $(tests_unit_test_card_CFLAGS)
tests_unit_test_card_session_LDADD = $(tests_unit_test_card_LDADD)

# The same card in a reader of vpcd's, under a real pcscd, and what asks the worker for it.
check_PROGRAMS += tests/card/vicc tests/card/card-tool
tests_card_vicc_SOURCES = tests/card/vicc.c $(CARD_EMULATOR)
tests_card_vicc_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_card_vicc_LDADD = $(CRYPTO_LIBS)
tests_card_card_tool_SOURCES = tests/card/card-tool.c $(CARD_EMULATOR)
tests_card_card_tool_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CRYPTO_CFLAGS)
tests_card_card_tool_LDADD = common/libcommon.a $(COMMON_LIBS) $(CRYPTO_LIBS)


# For tests of the broker: the worker with readers of the tests' own in pcscd's place.
check_PROGRAMS += tests/card/readers tests/card/wgfido-token
tests_card_readers_SOURCES = tests/card/readers.c $(CARD_EMULATOR)
tests_card_readers_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
tests_card_readers_LDADD = $(CRYPTO_LIBS)
tests_card_wgfido_token_SOURCES = token/main.c tests/card/pcsc-socket.c
tests_card_wgfido_token_CFLAGS = $(TOKEN_CFLAGS)
tests_card_wgfido_token_LDADD = $(TOKEN_LIBS)

if HAVE_PCSC
dist_check_SCRIPTS += tests/integration/test-broker-cards.py
TESTS += tests/integration/test-broker-cards.py
endif
EXTRA_DIST += tests/integration/test-broker-cards.py

UNIT_TESTS += tests/unit/test-card-monitor
tests_unit_test_card_monitor_SOURCES = tests/unit/test-card-monitor.c tests/unit/unit.h $(FAKE_CARD)
tests_unit_test_card_monitor_CFLAGS = $(TOKEN_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_card_monitor_LDADD = $(TOKEN_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-card tests/fuzz/fuzz-wire-card
tests_fuzz_fuzz_card_SOURCES = tests/fuzz/fuzz-card.c
tests_fuzz_fuzz_card_CFLAGS = $(TOKEN_CFLAGS)
tests_fuzz_fuzz_card_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_card_LDADD = tests/fuzz/libreplay.a $(TOKEN_LIBS)
tests_fuzz_fuzz_wire_card_SOURCES = tests/fuzz/fuzz-wire-card.c
tests_fuzz_fuzz_wire_card_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_wire_card_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_wire_card_LDADD = tests/fuzz/libreplay.a common/libcommon.a $(COMMON_LIBS)
