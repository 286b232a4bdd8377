/* Owns what differs between kernels and runtimes about descriptors. */
#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "say.h"

enum { ASKED_AT_ONCE = 256 };

void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
#endif
  struct rlimit limit;
  int end = 1 << 20;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < (rlim_t)end) end = (int)limit.rlim_max;
  /* Asks which are open, many at once: where there is no close_range each call may be a costly one, too. */
  for (struct pollfd set[ASKED_AT_ONCE]; first < end; first += ASKED_AT_ONCE) {
    int count = end - first < ASKED_AT_ONCE ? end - first : ASKED_AT_ONCE;
    for (int i = 0; i < count; i++) set[i] = (struct pollfd){.fd = first + i};
    bool known = poll(set, (nfds_t)count, 0) >= 0;
    for (int i = 0; i < count; i++)
      if ((!known || (set[i].revents & POLLNVAL) == 0) && close(set[i].fd) != 0 && errno != EBADF) say("cannot close", errno);
  }
}

void close_one(int *fd) {
  if (*fd >= 0 && close(*fd) != 0) say("cannot close", errno);
  *fd = -1;
}

bool set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

void open_standard_descriptors(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR | O_NOCTTY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO && close(fd) != 0) say("cannot close", errno);
}

void send_at_once(int fd) {
  int one = 1;
  /* Refused, it is merely slower. */
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}
