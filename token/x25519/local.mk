# The device's side of wgX25519, which firmware takes as it is, and with it the host's side of messages and channel.
noinst_LIBRARIES += token/x25519/libx25519.a
token_x25519_libx25519_a_SOURCES = \
	token/x25519/channel.c token/x25519/channel.h \
	token/x25519/crypto.h token/x25519/mem.h \
	token/x25519/device.c token/x25519/device.h \
	token/x25519/message.c token/x25519/message.h \
	token/x25519-sodium.c token/x25519-sodium.h
token_x25519_libx25519_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
X25519_LIBS = token/x25519/libx25519.a $(SODIUM_LIBS)

UNIT_TESTS += tests/unit/test-x25519-message tests/unit/test-x25519-channel tests/unit/test-x25519-device \
	tests/unit/test-x25519-vectors
tests_unit_test_x25519_message_SOURCES = tests/unit/test-x25519-message.c tests/unit/unit.h
tests_unit_test_x25519_message_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_x25519_message_LDADD = $(X25519_LIBS) $(CMOCKA_LIBS)
tests_unit_test_x25519_channel_SOURCES = tests/unit/test-x25519-channel.c tests/unit/unit.h
tests_unit_test_x25519_channel_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_x25519_channel_LDADD = $(X25519_LIBS) $(CMOCKA_LIBS)
X25519_HOST_SOURCES = tests/unit/x25519-host.c tests/unit/x25519-host.h
tests_unit_test_x25519_device_SOURCES = tests/unit/test-x25519-device.c $(X25519_HOST_SOURCES) tests/unit/x25519-memory.c \
	tests/unit/x25519-memory.h tests/unit/unit.h
tests_unit_test_x25519_device_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_x25519_device_LDADD = $(X25519_LIBS) $(CMOCKA_LIBS)
tests_unit_test_x25519_vectors_SOURCES = tests/unit/test-x25519-vectors.c tests/unit/x25519-memory.c tests/unit/x25519-memory.h \
	tests/unit/unit.h
tests_unit_test_x25519_vectors_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_x25519_vectors_LDADD = $(X25519_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-x25519-device
tests_fuzz_fuzz_x25519_device_SOURCES = tests/fuzz/fuzz-x25519-device.c tests/unit/x25519-memory.c tests/unit/x25519-memory.h
tests_fuzz_fuzz_x25519_device_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_x25519_device_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_x25519_device_LDADD = tests/fuzz/libreplay.a $(X25519_LIBS)

# The specification, and its vectors.
EXTRA_DIST += docs/ctaphid-x25519.md tests/vectors/x25519.py tests/vectors/x25519.txt
dist_check_SCRIPTS += tests/vectors/check-x25519.sh
TESTS += tests/vectors/check-x25519.sh

# That firmware can take the folder: cross-compiled without a libc.
dist_check_SCRIPTS += tests/contract/test-freestanding.py
TESTS += tests/contract/test-freestanding.py
