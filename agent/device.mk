NET_TESTS =

include tests/net/net.mk
