# What makes the userspace WireGuard a program on a real system, but for main itself: the broker's word, the resident key, privileges,
# the configuration socket's file, the interface as others see it.
noinst_LIBRARIES += tunnel/libprogram.a
tunnel_libprogram_a_SOURCES = \
	tunnel/grant.c tunnel/grant.h \
	tunnel/link.c tunnel/link.h \
	tunnel/privileges.c tunnel/privileges.h \
	tunnel/socket.c tunnel/socket.h \
	tunnel/static-key-broker.c tunnel/static-key-broker.h
tunnel_libprogram_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SECCOMP_CFLAGS)
TUNNELPROGRAM_LIBS = tunnel/libprogram.a bus/liblease.a $(SECCOMP_LIBS) $(TUNNEL_LIBS)

sbin_PROGRAMS += tunnel/wgfido-tunnel
tunnel_wgfido_tunnel_SOURCES = tunnel/main.c tunnel/bus.c tunnel/bus.h tunnel/daemonise.c tunnel/daemonise.h
tunnel_wgfido_tunnel_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
tunnel_wgfido_tunnel_LDADD = $(BUS_LIBS) $(TUNNELPROGRAM_LIBS)

NET_TESTS += tests/net/test-tunnel-program.sh tests/net/test-tunnel-resident.sh tests/net/test-tunnel-rekey.sh tests/net/test-office-tunnel.sh
EXTRA_DIST += tests/net/memory-has.py

UNIT_TESTS += tests/unit/test-static-key-broker
tests_unit_test_static_key_broker_SOURCES = tests/unit/test-static-key-broker.c tests/unit/unit.h
tests_unit_test_static_key_broker_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_static_key_broker_LDADD = $(TUNNELPROGRAM_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-tunnel-socket
tests_unit_test_tunnel_socket_SOURCES = tests/unit/test-tunnel-socket.c tests/unit/unit.h
tests_unit_test_tunnel_socket_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tunnel_socket_LDADD = $(TUNNELPROGRAM_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/sim/test-tunnel-rekey-sim
tests_sim_test_tunnel_rekey_sim_SOURCES = tests/sim/test-tunnel-rekey-sim.c tests/unit/unit.h
tests_sim_test_tunnel_rekey_sim_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_sim_test_tunnel_rekey_sim_LDADD = tests/sim/libtunnelworld.a $(TUNNEL_LIBS) $(CMOCKA_LIBS)
