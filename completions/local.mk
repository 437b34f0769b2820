# The names are those under which each shell finds them.
dist_bashcompletion_DATA = completions/wgfido.bash completions/wgfido-tunnel.bash
dist_zshcompletion_DATA = completions/_wgfido completions/_wgfido-tunnel
dist_fishcompletion_DATA = completions/wgfido.fish completions/wgfido-tunnel.fish

dist_check_SCRIPTS += tests/integration/test-completion.py
TESTS += tests/integration/test-completion.py
