# The data path of the userspace WireGuard: cipher, TUN, UDP, packet threads. After local.mk, whose library they are in.
tunnel_libtunnel_a_SOURCES += \
	tunnel/aead.c tunnel/aead.h tunnel/aead-impl.h \
	tunnel/aead-ipsec-mb.c tunnel/aead-libcrypto.c \
	tunnel/gro.c tunnel/gro.h \
	tunnel/gso.c tunnel/gso.h \
	tunnel/inet.h \
	tunnel/path.c tunnel/path.h tunnel/path-impl.h tunnel/path-in.c tunnel/path-out.c \
	tunnel/stage.c tunnel/stage.h \
	tunnel/tun.c tunnel/tun.h \
	tunnel/udp.c tunnel/udp-receive.c tunnel/udp.h
TUNNEL_LIBS += $(DL_LIBS)

UNIT_TESTS += tests/unit/test-aead
tests_unit_test_aead_SOURCES = tests/unit/test-aead.c tests/unit/unit.h
tests_unit_test_aead_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_aead_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

dist_check_SCRIPTS += tests/vectors/check-aead.sh
TESTS += tests/vectors/check-aead.sh
EXTRA_DIST += tests/vectors/aead.py tests/vectors/aead.txt
