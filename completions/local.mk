# Each shell wants a name of its own; what is here says which shell it is for.
dist_bashcompletion_DATA = completions/wgfido.bash
