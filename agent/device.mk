noinst_LIBRARIES += agent/libdevice.a
agent_libdevice_a_SOURCES = \
	agent/device.c agent/device.h \
	agent/device-attributes.h agent/device-build.h \
	agent/device-io.c agent/device-io.h \
	agent/device-netlink.c \
	agent/device-netlink-decode.c \
	agent/device-netlink-encode.c \
	agent/device-netlink-message.h \
	agent/device-set.c \
	agent/device-uapi.c agent/device-uapi.h \
	agent/device-uapi-encode.c \
	agent/device-uapi-parse.c \
	agent/device-uapi-text.h \
	agent/device-watch.c agent/device-watch.h \
	agent/device-watch-dir.c
agent_libdevice_a_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
# What a program links for it.
DEVICE_LIBS = agent/libdevice.a common/libcommon.a $(MNL_LIBS) $(COMMON_LIBS)

NET_TESTS =

include tests/net/net.mk

check_PROGRAMS += tests/net/device-tool
tests_net_device_tool_SOURCES = tests/net/device-tool.c
tests_net_device_tool_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_net_device_tool_LDADD = $(DEVICE_LIBS)
NET_TESTS += tests/net/test-device.sh tests/net/test-device-watch.sh

UNIT_TESTS += tests/unit/test-device-netlink tests/unit/test-device-netlink-io tests/unit/test-device-uapi \
	tests/unit/test-device-uapi-socket tests/unit/test-device-watch
tests_unit_test_device_netlink_SOURCES = tests/unit/test-device-netlink.c tests/unit/device-netlink-answer.h
tests_unit_test_device_netlink_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_device_netlink_LDADD = $(DEVICE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_device_netlink_io_SOURCES = tests/unit/test-device-netlink-io.c tests/unit/device-netlink-answer.h
tests_unit_test_device_netlink_io_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_device_netlink_io_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mnl_socket_open2,--wrap=mnl_socket_bind,--wrap=mnl_socket_setsockopt,--wrap=mnl_socket_sendto \
	-Wl,--wrap=mnl_socket_get_fd,--wrap=mnl_socket_close,--wrap=recvmsg,--wrap=device_io_wait
tests_unit_test_device_netlink_io_LDADD = $(DEVICE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_device_uapi_SOURCES = tests/unit/test-device-uapi.c tests/unit/device-uapi-answer.h
tests_unit_test_device_uapi_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_device_uapi_LDADD = $(DEVICE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_device_uapi_socket_SOURCES = tests/unit/test-device-uapi-socket.c tests/unit/device-uapi-answer.h
tests_unit_test_device_uapi_socket_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_device_uapi_socket_LDADD = $(DEVICE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_device_watch_SOURCES = tests/unit/test-device-watch.c
tests_unit_test_device_watch_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_device_watch_LDADD = $(DEVICE_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-uapi tests/fuzz/fuzz-netlink
tests_fuzz_fuzz_uapi_SOURCES = tests/fuzz/fuzz-uapi.c
tests_fuzz_fuzz_uapi_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_uapi_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_uapi_LDADD = tests/fuzz/libreplay.a $(DEVICE_LIBS)
tests_fuzz_fuzz_netlink_SOURCES = tests/fuzz/fuzz-netlink.c
tests_fuzz_fuzz_netlink_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_netlink_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_netlink_LDADD = tests/fuzz/libreplay.a $(DEVICE_LIBS)
