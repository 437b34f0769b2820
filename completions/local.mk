# The names are those under which each shell finds them.
dist_bashcompletion_DATA = completions/wgfido.bash
dist_zshcompletion_DATA = completions/_wgfido
dist_fishcompletion_DATA = completions/wgfido.fish

dist_check_SCRIPTS += tests/integration/test-completion.py
TESTS += tests/integration/test-completion.py
