noinst_PROGRAMS += bench/flow
bench_flow_SOURCES = bench/flow.c

noinst_PROGRAMS += bench/opened
bench_opened_SOURCES = bench/opened.c
bench_opened_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_opened_LDADD = agent/libdevice.a common/libcommon.a $(MNL_LIBS) $(COMMON_LIBS)

noinst_PROGRAMS += bench/tunnel-path bench/tunnel-path-plain
bench_tunnel_path_SOURCES = bench/tunnel-path.c
bench_tunnel_path_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_tunnel_path_LDADD = $(TUNNEL_LIBS)
bench_tunnel_path_plain_SOURCES = bench/tunnel-path.c
bench_tunnel_path_plain_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_PLAIN
bench_tunnel_path_plain_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_tunnel_path_plain_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=aead_seal,--wrap=aead_open
bench_tunnel_path_plain_LDADD = $(TUNNEL_LIBS)

noinst_PROGRAMS += bench/resident-dh
bench_resident_dh_SOURCES = bench/resident-dh.c
bench_resident_dh_CFLAGS = $(TOKEN_CFLAGS)
bench_resident_dh_LDADD = $(TOKEN_LIBS)

BENCHES = bench/bench-tunnel.sh bench/bench-gateway.sh bench/bench-resident.sh
EXTRA_DIST += bench/bench-tunnel.sh bench/bench-gateway.sh bench/bench-resident.sh

# Figures, never a verdict.
.PHONY: bench
bench: all
	@for b in $(BENCHES); do echo "== $$b"; top_builddir=. $(top_srcdir)/$$b || exit 1; done
