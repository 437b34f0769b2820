# The userspace WireGuard. libtunnel.a is protocol and control: all but the packet threads, the bus and main.
noinst_LIBRARIES += tunnel/libtunnel.a
tunnel_libtunnel_a_SOURCES = \
	tunnel/allowedips.c tunnel/allowedips.h \
	tunnel/blake2s.c tunnel/blake2s.h \
	tunnel/config.c tunnel/config.h \
	tunnel/control.c tunnel/control.h \
	tunnel/cookie.c tunnel/cookie.h \
	tunnel/deadlines.c tunnel/deadlines.h \
	tunnel/device.c tunnel/device.h \
	tunnel/endpoint.h \
	tunnel/handshake.c tunnel/handshake.h \
	tunnel/inbox.c tunnel/inbox.h \
	tunnel/loop.c tunnel/loop.h \
	tunnel/message.h \
	tunnel/noise.c tunnel/noise.h \
	tunnel/peer.c tunnel/peer.h \
	tunnel/ratelimit.c tunnel/ratelimit.h \
	tunnel/replay.c tunnel/replay.h \
	tunnel/responder.c \
	tunnel/session-install.c \
	tunnel/session.c tunnel/session.h \
	tunnel/static-key-software.c tunnel/static_key.h \
	tunnel/successor.c tunnel/successor.h \
	tunnel/timers.c tunnel/timers.h \
	tunnel/uapi.c tunnel/uapi.h \
	tunnel/uapi-server.c tunnel/uapi-server.h
tunnel_libtunnel_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CRYPTO_CFLAGS) $(SYSTEMD_CFLAGS)
TUNNEL_LIBS = tunnel/libtunnel.a common/libcommon.a $(CRYPTO_LIBS) $(SYSTEMD_LIBS) $(COMMON_LIBS)

UNIT_TESTS += tests/unit/test-tunnel-state
tests_unit_test_tunnel_state_SOURCES = tests/unit/test-tunnel-state.c tests/unit/unit.h
tests_unit_test_tunnel_state_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tunnel_state_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-tunnel-allowedips
tests_unit_test_tunnel_allowedips_SOURCES = tests/unit/test-tunnel-allowedips.c tests/unit/unit.h
tests_unit_test_tunnel_allowedips_CFLAGS = $(tests_unit_test_tunnel_state_CFLAGS)
tests_unit_test_tunnel_allowedips_LDADD = $(tests_unit_test_tunnel_state_LDADD)

# Devices in a simulated world.
check_LIBRARIES += tests/sim/libtunnelworld.a
tests_sim_libtunnelworld_a_SOURCES = tests/sim/tunnel-world.c tests/sim/tunnel-world.h
tests_sim_libtunnelworld_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)

UNIT_TESTS += tests/sim/test-tunnel-sim
TUNNEL_SIM_FIXTURE = tests/sim/tunnel-sim-fixture.c tests/sim/tunnel-sim-fixture.h tests/unit/unit.h
tests_sim_test_tunnel_sim_SOURCES = tests/sim/test-tunnel-sim.c $(TUNNEL_SIM_FIXTURE)
tests_sim_test_tunnel_sim_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_sim_test_tunnel_sim_LDADD = tests/sim/libtunnelworld.a $(TUNNEL_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/sim/test-tunnel-sim-trouble
tests_sim_test_tunnel_sim_trouble_SOURCES = tests/sim/test-tunnel-sim-trouble.c $(TUNNEL_SIM_FIXTURE)
tests_sim_test_tunnel_sim_trouble_CFLAGS = $(tests_sim_test_tunnel_sim_CFLAGS)
tests_sim_test_tunnel_sim_trouble_LDADD = $(tests_sim_test_tunnel_sim_LDADD)

UNIT_TESTS += tests/unit/test-noise
tests_unit_test_noise_SOURCES = tests/unit/test-noise.c tests/unit/unit.h
tests_unit_test_noise_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_noise_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

dist_check_SCRIPTS += tests/vectors/check-noise.sh
TESTS += tests/vectors/check-noise.sh
EXTRA_DIST += tests/vectors/noise.py tests/vectors/noise.txt

UNIT_TESTS += tests/unit/test-tunnel-uapi
tests_unit_test_tunnel_uapi_SOURCES = tests/unit/test-tunnel-uapi.c tests/unit/no-path.h tests/unit/unit.h
tests_unit_test_tunnel_uapi_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tunnel_uapi_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-tunnel-uapi tests/fuzz/fuzz-tunnel-handshake
tests_fuzz_fuzz_tunnel_uapi_SOURCES = tests/fuzz/fuzz-tunnel-uapi.c tests/unit/no-path.h
tests_fuzz_fuzz_tunnel_uapi_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_tunnel_uapi_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_tunnel_uapi_LDADD = tests/fuzz/libreplay.a $(TUNNEL_LIBS)
tests_fuzz_fuzz_tunnel_handshake_SOURCES = tests/fuzz/fuzz-tunnel-handshake.c tests/unit/no-path.h
tests_fuzz_fuzz_tunnel_handshake_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_tunnel_handshake_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_tunnel_handshake_LDADD = tests/fuzz/libreplay.a $(TUNNEL_LIBS)

UNIT_TESTS += tests/unit/test-timers
tests_unit_test_timers_SOURCES = tests/unit/test-timers.c tests/unit/unit.h
tests_unit_test_timers_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_timers_LDADD = $(TUNNEL_LIBS) $(CMOCKA_LIBS)
