# The rotation agent. libagent.a is all of it but the bus and the event loop.
noinst_LIBRARIES += agent/libagent.a
agent_libagent_a_SOURCES = \
	agent/agent.c agent/agent.h \
	agent/derive.c agent/derive.h \
	agent/gateway.c agent/gateway.h \
	agent/guard.c agent/guard-status.c agent/guard.h \
	agent/hunt.c agent/hunt.h \
	agent/plan.c agent/plan.h \
	agent/rotator.c agent/rotator-hunt.c agent/rotator-identity.c agent/rotator-psk.c agent/rotator.h \
	agent/status.c agent/status.h
agent_libagent_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
AGENT_LIBS = agent/libagent.a bus/liblease.a $(DEVICE_LIBS) $(JANSSON_LIBS)

sbin_PROGRAMS += agent/wgfido-rotate
agent_wgfido_rotate_SOURCES = agent/main.c agent/bus-networkmanager.c agent/bus-networkmanager.h
agent_wgfido_rotate_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
agent_wgfido_rotate_LDADD = $(BUS_LIBS) $(AGENT_LIBS) $(SYSTEMD_LIBS)

# A WireGuard in memory, for the tests.
check_LIBRARIES += tests/sim/libfakewg.a
tests_sim_libfakewg_a_SOURCES = tests/sim/fake-wg.c tests/sim/fake-wg.h
tests_sim_libfakewg_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)

UNIT_TESTS += tests/sim/test-hunt-sim
tests_sim_test_hunt_sim_SOURCES = tests/sim/test-hunt-sim.c tests/sim/sim.c tests/sim/sim.h
tests_sim_test_hunt_sim_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_sim_test_hunt_sim_LDADD = tests/sim/libfakewg.a $(AGENT_LIBS) $(CMOCKA_LIBS)

# Two of them, and the brokers' approvals.
UNIT_TESTS += tests/sim/test-both-sim
tests_sim_test_both_sim_SOURCES = tests/sim/test-both-sim.c
tests_sim_test_both_sim_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_sim_test_both_sim_LDADD = tests/sim/libfakewg.a $(AGENT_LIBS) $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

check_LIBRARIES += tests/unit/librotatorfixture.a
tests_unit_librotatorfixture_a_SOURCES = tests/unit/rotator-fixture.c tests/unit/rotator-fixture.h
tests_unit_librotatorfixture_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
ROTATOR_TEST_LIBS = tests/unit/librotatorfixture.a tests/sim/libfakewg.a $(AGENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-rotator
tests_unit_test_rotator_SOURCES = tests/unit/test-rotator.c tests/unit/unit.h
tests_unit_test_rotator_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_rotator_LDADD = $(ROTATOR_TEST_LIBS)

UNIT_TESTS += tests/unit/test-rotator-hunt
tests_unit_test_rotator_hunt_SOURCES = tests/unit/test-rotator-hunt.c tests/unit/unit.h
tests_unit_test_rotator_hunt_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_rotator_hunt_LDADD = $(ROTATOR_TEST_LIBS)

UNIT_TESTS += tests/unit/test-rotator-identity
tests_unit_test_rotator_identity_SOURCES = tests/unit/test-rotator-identity.c tests/unit/unit.h
tests_unit_test_rotator_identity_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_rotator_identity_LDADD = $(ROTATOR_TEST_LIBS)

UNIT_TESTS += tests/unit/test-rotator-trouble
tests_unit_test_rotator_trouble_SOURCES = tests/unit/test-rotator-trouble.c tests/unit/unit.h
tests_unit_test_rotator_trouble_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_rotator_trouble_LDADD = $(ROTATOR_TEST_LIBS)

UNIT_TESTS += tests/unit/test-on-close
tests_unit_test_on_close_SOURCES = tests/unit/test-on-close.c tests/unit/unit.h
tests_unit_test_on_close_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_on_close_LDADD = $(ROTATOR_TEST_LIBS)

UNIT_TESTS += tests/unit/test-gateway
tests_unit_test_gateway_SOURCES = tests/unit/test-gateway.c tests/unit/unit.h
tests_unit_test_gateway_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_gateway_LDADD = tests/sim/libfakewg.a $(AGENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-hunt
tests_unit_test_hunt_SOURCES = tests/unit/test-hunt.c tests/unit/unit.h
tests_unit_test_hunt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hunt_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-agent-status
tests_unit_test_agent_status_SOURCES = tests/unit/test-agent-status.c tests/unit/unit.h
tests_unit_test_agent_status_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_agent_status_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS)

TESTS += tests/integration/test-agent-hostile.py
dist_noinst_SCRIPTS += tests/integration/test-agent-hostile.py
