/* Owns the table of dials. Nothing here waits: a server that does not answer holds its own dial only. */
#define _GNU_SOURCE
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "descriptors.h"
#include "loop.h"
#include "memory.h"
#include "outbox.h"

enum phase { FREE, CONNECTING, OPEN, CLOSED };

static struct dial {
  uint32_t id;
  enum phase phase;
  int fd;
  uint16_t port;
  bool tell;            /* DIALED (OPEN) or the end (CLOSED) is to be told */
  bool told_open;
  bool second;          /* 127.0.0.1 refused, [::1] is tried */
  bool down_eof, down_ended, up_ended;
  int error;
  uint64_t received, taken, credited_down; /* bytes of the daemon: got, in the server, told */
  uint64_t sent, credited;                 /* bytes of the server */
  uint8_t *ring;
} dials[MAX_DIALS];
static uint8_t *rings;

#define EACH_DIAL(d) \
  for (struct dial *d = dials; d < dials + MAX_DIALS; d++) \
    if (d->phase != FREE)

bool dial_open(void) { return (rings = memory_take_private((size_t)MAX_DIALS * DIAL_WINDOW_BYTES)) != NULL; }

static void close_dial(struct dial *d, int error) {
  close_one(&d->fd);
  if (d->received > 0) memory_rest(d->ring, DIAL_WINDOW_BYTES);
  d->phase = CLOSED;
  d->error = error;
  d->tell = true;
}

static int try_address(struct dial *d) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(d->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(d->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const struct sockaddr *address = d->second ? (const struct sockaddr *)&six : (const struct sockaddr *)&four;
  d->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (d->fd < 0) return errno;
  send_at_once(d->fd);
  return connect(d->fd, address, d->second ? sizeof six : sizeof four) == 0 ? 0 : errno;
}

static void connect_next(struct dial *d, int error) {
  while (error != 0 && error != EINPROGRESS) {
    close_one(&d->fd);
    if (d->second) {
      close_dial(d, d->error != 0 ? d->error : error);
      return;
    }
    d->error = error; /* what 127.0.0.1 said is what a caller expects to hear */
    d->second = true;
    error = try_address(d);
  }
  if (error == EINPROGRESS) return;
  d->phase = OPEN;
  d->error = 0;
  d->tell = true;
}

static bool begin(const struct frame *frame) {
  struct dial *d = dials;
  if (frame->length != 2) return false;
  while (d < dials + MAX_DIALS && d->phase != FREE) d++;
  if (d == dials + MAX_DIALS) {
    outbox_put_u32(FRAME_DIALED, 0, frame->id, EAGAIN);
    return true;
  }
  *d = (struct dial){.id = frame->id, .phase = CONNECTING, .port = get_u16(frame->body), .fd = -1,
                     .ring = rings + (size_t)(d - dials) * DIAL_WINDOW_BYTES};
  connect_next(d, try_address(d));
  return true;
}

static void write_down(struct dial *d) {
  while (d->phase == OPEN && d->taken < d->received) {
    size_t at = d->taken % DIAL_WINDOW_BYTES, bytes = d->received - d->taken, first = DIAL_WINDOW_BYTES - at;
    if (first > bytes) first = bytes;
    struct iovec parts[2] = {{d->ring + at, first}, {d->ring, bytes - first}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = bytes > first ? 2 : 1};
    ssize_t put = sendmsg(d->fd, &message, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
      close_dial(d, errno);
      return;
    }
    d->taken += (uint64_t)put;
  }
  if (d->phase != OPEN || !d->down_eof || d->down_ended) return;
  d->down_ended = true;
  if (shutdown(d->fd, SHUT_WR) != 0) close_dial(d, errno);
}

static bool data(struct dial *d, const struct frame *frame) {
  if (frame->length > MAX_DATA || d->received - d->taken + frame->length > DIAL_WINDOW_BYTES) return false;
  if (d->phase == CLOSED || d->down_eof) return true;
  size_t at = d->received % DIAL_WINDOW_BYTES, first = DIAL_WINDOW_BYTES - at;
  if (first > frame->length) first = frame->length;
  memcpy(d->ring + at, frame->body, first);
  memcpy(d->ring, frame->body + first, frame->length - first);
  d->received += frame->length;
  d->down_eof = (frame->flags & FLAG_EOF) != 0;
  write_down(d);
  return true;
}

bool dial_frame(const struct frame *frame) {
  struct dial *d = dials;
  if (frame->id == 0) return false;
  while (d < dials + MAX_DIALS && (d->phase == FREE || d->id != frame->id)) d++;
  bool known = d < dials + MAX_DIALS;
  switch (frame->type) {
    case FRAME_DIAL: return !known && begin(frame);
    case FRAME_DIAL_DATA: return !known || data(d, frame);
    case FRAME_DIAL_CLOSE:
      if (known && d->phase != CLOSED) close_dial(d, ECANCELED);
      return frame->length == 0;
    default: /* FRAME_DIAL_CREDIT */
      if (frame->length != 8) return false;
      if (!known) return true;
      if (get_u64(frame->body) > d->sent) return false;
      if (get_u64(frame->body) > d->credited) d->credited = get_u64(frame->body);
      return true;
  }
}

void dial_disconnected(void) {
  EACH_DIAL(d) {
    if (d->phase != CLOSED) close_dial(d, 0);
    d->phase = FREE;
  }
}

static void read_up(struct dial *d) {
  size_t room = DIAL_WINDOW_BYTES - (size_t)(d->sent - d->credited);
  if (room > MAX_DATA) room = MAX_DATA;
  if (room == 0 || !d->told_open || !outbox_takes_bulk(room)) return;
  static uint8_t bytes[MAX_DATA];
  ssize_t got = recv(d->fd, bytes, room, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) {
    close_dial(d, errno);
    return;
  }
  d->up_ended = got == 0;
  uint8_t *body = outbox_put(FRAME_DIAL_DATA_UP, d->up_ended ? FLAG_EOF : 0, d->id, (size_t)got);
  memcpy(body, bytes, (size_t)got);
  d->sent += (uint64_t)got;
}

static void on_dial(void *owner, short events) {
  struct dial *d = owner;
  if (d->phase == CONNECTING) {
    int error = 0;
    socklen_t bytes = sizeof error;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) error = errno;
    connect_next(d, error);
    return;
  }
  if (d->phase == OPEN && (events & POLLOUT) != 0) write_down(d);
  if (d->phase == OPEN && (events & (POLLIN | POLLHUP | POLLERR)) != 0 && !d->up_ended) read_up(d);
  if (d->phase == OPEN && d->up_ended && d->down_ended) close_dial(d, 0);
}

void dial_watch(void) {
  EACH_DIAL(d) {
    short events = 0;
    if (d->phase == CONNECTING || (d->phase == OPEN && d->taken < d->received)) events |= POLLOUT;
    if (d->phase == OPEN && d->told_open && !d->up_ended && d->sent - d->credited < DIAL_WINDOW_BYTES && outbox_takes_bulk(MAX_DATA))
      events |= POLLIN;
    if (events != 0) loop_watch(d->fd, events, on_dial, d);
  }
}

void dial_pump(void) {
  EACH_DIAL(d) {
    if (!outbox_takes_reply()) return;
    if (d->phase == OPEN && d->up_ended && d->down_ended) close_dial(d, 0);
    if (d->taken > d->credited_down && d->told_open && d->phase == OPEN) {
      d->credited_down = d->taken;
      outbox_put_u64(FRAME_DIAL_CREDIT_UP, 0, d->id, d->taken);
      if (!outbox_takes_reply()) return;
    }
    if (!d->tell) continue;
    d->tell = false;
    outbox_put_u32(d->phase == OPEN || !d->told_open ? FRAME_DIALED : FRAME_DIAL_CLOSED, 0, d->id, (uint32_t)d->error);
    d->told_open = true;
    if (d->phase == CLOSED) d->phase = FREE;
  }
}
