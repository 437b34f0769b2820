dist_man_MANS += man/wgfido.1 man/wgfido.conf.5 man/wgfidod.8 man/wgfido-rotate.8
