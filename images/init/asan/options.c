/* Options of the sanitized build: no signal handler, since a handler is what lets a tenant's signal reach a PID 1. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:use_sigaltstack=0:detect_leaks=0";
}
