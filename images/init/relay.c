/* Owns the connections of the relay process. The egress process judges; nothing is looked at here. */
#define _GNU_SOURCE
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptors.h"
#include "memory.h"

enum { MAX_CONNECTIONS = 256, PIPE_BYTES = 32 * 1024, BACKLOG = 128 };

struct half { /* one direction */
  uint8_t *buffer;
  uint32_t from, to;
  bool ended; /* its source has no more, and its sink was told so */
};

struct connection {
  int fd[2]; /* 0: the sandbox's, 1: the egress process's; -1: free */
  struct half half[2]; /* [i]: from fd[i] to fd[1 - i] */
};

static struct connection connections[MAX_CONNECTIONS];
static uint8_t *buffers;

int relay_listen(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      listen(fd, BACKLOG) == 0)
    return fd;
  int error = errno;
  close_one(&fd);
  errno = error;
  return -1;
}

static int connect_egress(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/cloister/egress.sock"};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) close_one(&fd);
  return fd;
}

static void end(struct connection *c) {
  close_one(&c->fd[0]);
  close_one(&c->fd[1]);
  memory_rest(c->half[0].buffer, 2 * PIPE_BYTES);
}

/* False: the connection is broken. */
static bool move(struct connection *c, int i) {
  struct half *h = &c->half[i];
  if (h->ended) return true;
  if (h->from == h->to) {
    ssize_t got = recv(c->fd[i], h->buffer, PIPE_BYTES, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    h->from = 0;
    h->to = (uint32_t)got;
    if (got == 0) {
      h->ended = true;
      return shutdown(c->fd[1 - i], SHUT_WR) == 0;
    }
  }
  ssize_t put = send(c->fd[1 - i], h->buffer + h->from, h->to - h->from, MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  h->from += (uint32_t)put;
  return true;
}

static short wanted(const struct connection *c, int i) {
  const struct half *out = &c->half[i], *in = &c->half[1 - i];
  return (short)((!out->ended && out->from == out->to ? POLLIN : 0) | (in->from < in->to ? POLLOUT : 0));
}

static void accept_all(int listen_fd) {
  for (struct connection *c = connections; c < connections + MAX_CONNECTIONS; c++) {
    if (c->fd[0] >= 0) continue;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    send_at_once(fd);
    int egress = connect_egress();
    if (egress < 0) {
      close_one(&fd);
      continue;
    }
    c->fd[0] = fd;
    c->fd[1] = egress;
    for (int i = 0; i < 2; i++)
      c->half[i] = (struct half){.buffer = buffers + ((size_t)(c - connections) * 2 + (size_t)i) * PIPE_BYTES};
  }
}

_Noreturn void relay_main(int listen_fd) {
  static struct pollfd set[1 + 2 * MAX_CONNECTIONS];
  buffers = memory_take((size_t)MAX_CONNECTIONS * 2 * PIPE_BYTES);
  if (buffers == NULL) _exit(1);
  for (int i = 0; i < MAX_CONNECTIONS; i++) connections[i].fd[0] = connections[i].fd[1] = -1;
  for (;;) {
    bool full = true;
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
      const struct connection *c = &connections[i];
      if (c->fd[0] < 0) full = false;
      for (int side = 0; side < 2; side++) {
        short events = c->fd[0] < 0 ? 0 : wanted(c, side);
        /* A side that is not waited for is left out: its hang-up would wake the loop again and again. */
        set[1 + i * 2 + side] = (struct pollfd){.fd = events == 0 ? -1 : c->fd[side], .events = events};
      }
    }
    set[0] = (struct pollfd){.fd = full ? -1 : listen_fd, .events = POLLIN};
    if (poll(set, 1 + 2 * MAX_CONNECTIONS, -1) < 0 && errno != EINTR) _exit(1);
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
      struct connection *c = &connections[i];
      if (c->fd[0] < 0 || (set[1 + i * 2].revents | set[2 + i * 2].revents) == 0) continue;
      bool ok = move(c, 0) && move(c, 1);
      if (!ok || (c->half[0].ended && c->half[1].ended)) end(c);
    }
    if (set[0].revents != 0) accept_all(listen_fd);
  }
}
