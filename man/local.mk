dist_man_MANS += man/wgfido.1 man/wgfido-prompt.1 man/wgfido-softtoken.1 man/wgfido.conf.5 man/wgfido.7 \
	man/wgfidod.8 man/wgfido-rotate.8 man/wgfido-token.8 man/wgfido-tunnel.8

dist_check_SCRIPTS += tests/contract/test-man.py
TESTS += tests/contract/test-man.py
