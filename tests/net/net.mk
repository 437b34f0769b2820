# make check-net: the tests in network namespaces with a real WireGuard at both ends. Skipped where they cannot run, unless
# WGFIDO_NET_REQUIRED=1. Folders add scripts (*.sh: an extension that the harness knows) to NET_TESTS.
# Those that wait longest come first.
NET_TESTS += tests/net/test-both.sh tests/net/test-hunt.sh tests/net/test-windows.sh tests/net/test-interop-rekeys.sh \
	tests/net/test-interop-line.sh tests/net/test-interop.sh tests/net/test-interop-flood.sh tests/net/test-lib.sh tests/net/test-office.sh \
	tests/net/test-home.sh tests/net/test-fail-closed.sh tests/net/test-networkmanager.sh
if HAVE_PCSC
NET_TESTS += tests/net/test-cards.sh
endif

# Makes new keys after 1.5 s instead of 120, so that twenty rekeys can be waited for.
check_PROGRAMS += tests/net/tunnel-rekeys
tests_net_tunnel_rekeys_SOURCES = $(tunnel_wgfido_tunnel_SOURCES) \
	tunnel/handshake.c tunnel/responder.c tunnel/session.c tunnel/timers.c
tests_net_tunnel_rekeys_CFLAGS = $(tunnel_libtunnel_a_CFLAGS) \
	'-DSESSION_REKEY_AFTER_US=(1500 * US_PER_MS)' '-DTIMERS_REKEY_TIMEOUT_US=US_PER_SEC'
tests_net_tunnel_rekeys_LDADD = $(tunnel_wgfido_tunnel_LDADD)

EXTRA_DIST += tests/net/test-cards.sh tests/net/clock-off.c tests/net/fake-networkmanager.py tests/net/flood.py tests/net/interop.sh tests/net/lib.sh tests/net/stage.sh tests/net/tcp-copy.py tests/net/udp-relay.py $(NET_TESTS)

.PHONY: check-net
check-net: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS="$(NET_TESTS)" SH_LOG_COMPILER=
