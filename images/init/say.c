/* Owns the wording of init's messages. */
#include "say.h"

#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static struct iovec text(const char *s) { return (struct iovec){(void *)(uintptr_t)s, strlen(s)}; }

void say(const char *what, int error) {
  struct iovec parts[5] = {text("cloister-init: "), text(what)};
  int count = 2;
  if (error != 0) {
    parts[count++] = text(": ");
    parts[count++] = text(strerror(error));
  }
  parts[count++] = text("\n");
  /* A reader that is gone changes nothing for the sandbox. */
  if (writev(STDERR_FILENO, parts, count) < 0) return;
}
