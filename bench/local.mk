noinst_PROGRAMS += bench/flow
bench_flow_SOURCES = bench/flow.c

noinst_PROGRAMS += bench/opened
bench_opened_SOURCES = bench/opened.c
bench_opened_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_opened_LDADD = agent/libdevice.a common/libcommon.a $(MNL_LIBS) $(COMMON_LIBS)

noinst_PROGRAMS += bench/aead-speed bench/first-trip bench/flood bench/tunnel-path bench/tunnel-path-plain bench/tunnel-path-profile
bench_first_trip_SOURCES = bench/first-trip.c
bench_flood_SOURCES = bench/flood.c
bench_aead_speed_SOURCES = bench/aead-speed.c
bench_aead_speed_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_aead_speed_LDADD = $(TUNNEL_LIBS)
bench_tunnel_path_SOURCES = bench/tunnel-path.c
bench_tunnel_path_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_tunnel_path_LDADD = $(TUNNEL_LIBS)
bench_tunnel_path_plain_SOURCES = bench/tunnel-path.c
bench_tunnel_path_plain_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_PLAIN
bench_tunnel_path_plain_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_tunnel_path_plain_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=aead_seal,--wrap=aead_open
bench_tunnel_path_plain_LDADD = $(TUNNEL_LIBS)
bench_tunnel_path_profile_SOURCES = bench/tunnel-path.c bench/tunnel-profile.c
bench_tunnel_path_profile_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_PROFILE
bench_tunnel_path_profile_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_tunnel_path_profile_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=aead_seal,--wrap=aead_open,--wrap=read,--wrap=writev,--wrap=sendmsg,--wrap=recvmmsg,--wrap=poll,--wrap=__poll_chk
bench_tunnel_path_profile_LDADD = $(TUNNEL_LIBS)

noinst_PROGRAMS += bench/resident-dh
bench_resident_dh_SOURCES = bench/resident-dh.c
bench_resident_dh_CFLAGS = $(TOKEN_CFLAGS)
bench_resident_dh_LDADD = $(TOKEN_LIBS)

noinst_PROGRAMS += bench/bus-dh
bench_bus_dh_SOURCES = bench/bus-dh.c
bench_bus_dh_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(SODIUM_CFLAGS)
bench_bus_dh_LDADD = common/libcommon.a $(SYSTEMD_LIBS) $(COMMON_LIBS)

BENCHES = bench/bench-tunnel.sh bench/bench-gateway.sh bench/bench-userspace.sh bench/bench-resident.sh bench/bench-identity.sh
EXTRA_DIST += bench/bench-tunnel.sh bench/bench-gateway.sh bench/bench-userspace.sh bench/bench-resident.sh bench/bench-identity.sh

# Figures, never a verdict.
.PHONY: bench
bench: all
	@for b in $(BENCHES); do echo "== $$b"; top_builddir=. $(top_srcdir)/$$b || exit 1; done
