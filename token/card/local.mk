# Smart cards: the bytes of their applications (pure), the way to them (PC/SC, where it was found), the worker's operations.
token_libtoken_a_SOURCES += \
	token/card/apdu.c token/card/apdu.h \
	token/card/openpgp.c token/card/openpgp.h \
	token/card/piv.c token/card/piv.h \
	token/card/tlv.c token/card/tlv.h

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
