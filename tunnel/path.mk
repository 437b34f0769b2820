# The data path of the userspace WireGuard: cipher, TUN, UDP, packet threads. After local.mk, whose library they are in.
tunnel_libtunnel_a_SOURCES += \
	tunnel/aead.c tunnel/aead.h tunnel/aead-impl.h \
	tunnel/aead-ipsec-mb.c tunnel/aead-libcrypto.c \
	tunnel/gro.c tunnel/gro.h \
	tunnel/gso.c tunnel/gso.h \
	tunnel/inet.h \
	tunnel/path.c tunnel/path.h tunnel/path-impl.h tunnel/path-in.c tunnel/path-out.c \
	tunnel/settle.c tunnel/settle.h \
	tunnel/stage.c tunnel/stage.h \
	tunnel/tun.c tunnel/tun.h \
	tunnel/udp.c tunnel/udp-receive.c tunnel/udp.h \
	tunnel/unreachable.c tunnel/unreachable.h
TUNNEL_LIBS += $(DL_LIBS)

UNIT_TESTS += tests/unit/test-aead
tests_unit_test_aead_SOURCES = tests/unit/test-aead.c tests/unit/unit.h
tests_unit_test_aead_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_aead_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

dist_check_SCRIPTS += tests/vectors/check-aead.sh
TESTS += tests/vectors/check-aead.sh
EXTRA_DIST += tests/vectors/aead.py tests/vectors/aead.txt

UNIT_TESTS += tests/unit/test-offload
tests_unit_test_offload_SOURCES = tests/unit/test-offload.c tests/unit/offload-packets.h tests/unit/unit.h
tests_unit_test_offload_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_offload_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-unreachable
tests_unit_test_unreachable_SOURCES = tests/unit/test-unreachable.c tests/unit/offload-packets.h tests/unit/unit.h
tests_unit_test_unreachable_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_unreachable_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

check_LIBRARIES += tests/unit/libpathfixture.a
tests_unit_libpathfixture_a_SOURCES = tests/unit/path-fixture.c tests/unit/path-fixture.h
tests_unit_libpathfixture_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)

UNIT_TESTS += tests/unit/test-path
tests_unit_test_path_SOURCES = tests/unit/test-path.c tests/unit/offload-packets.h tests/unit/unit.h
tests_unit_test_path_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_path_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=poll
tests_unit_test_path_LDADD = tests/unit/libpathfixture.a $(TUNNEL_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-path-refuse
tests_unit_test_path_refuse_SOURCES = tests/unit/test-path-refuse.c tests/unit/offload-packets.h tests/unit/unit.h
tests_unit_test_path_refuse_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_path_refuse_LDADD = tests/unit/libpathfixture.a $(TUNNEL_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-offload tests/fuzz/fuzz-path-in tests/fuzz/fuzz-unreachable
tests_fuzz_fuzz_unreachable_SOURCES = tests/fuzz/fuzz-unreachable.c tests/unit/offload-packets.h
tests_fuzz_fuzz_unreachable_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_unreachable_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_unreachable_LDADD = tests/fuzz/libreplay.a $(TUNNEL_LIBS)
tests_fuzz_fuzz_offload_SOURCES = tests/fuzz/fuzz-offload.c tests/unit/offload-packets.h
tests_fuzz_fuzz_offload_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_offload_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_offload_LDADD = tests/fuzz/libreplay.a $(TUNNEL_LIBS)
tests_fuzz_fuzz_path_in_SOURCES = tests/fuzz/fuzz-path-in.c
tests_fuzz_fuzz_path_in_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_path_in_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_path_in_LDADD = tests/fuzz/libreplay.a tests/unit/libpathfixture.a $(TUNNEL_LIBS)

UNIT_TESTS += tests/unit/test-udp
tests_unit_test_udp_SOURCES = tests/unit/test-udp.c tests/unit/unit.h
tests_unit_test_udp_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_udp_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg
tests_unit_test_udp_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)
