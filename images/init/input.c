/* Owns the stdin ring. A command that never reads blocks nothing but its own stdin. */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "loop.h"
#include "say.h"

void input_close(struct exec *e) {
  if (e->in.fd >= 0 && close(e->in.fd) != 0) say("cannot close stdin", errno);
  e->in.fd = -1;
  e->in.wanted = false;
}

static void reader_is_gone(struct exec *e) {
  input_close(e);
  e->in.closed = e->in.dirty = true;
}

bool input_accept(struct exec *e, const struct frame *frame) {
  struct input *in = &e->in;
  if (frame->length > MAX_DATA) return false;
  if (!in->wanted || in->eof) {
    in->closed = in->dirty = true; /* it crossed the end on its way */
    return true;
  }
  if (in->received - in->taken + frame->length > STDIN_WINDOW_BYTES) return false;
  uint32_t at = (uint32_t)(in->received % STDIN_WINDOW_BYTES), first = STDIN_WINDOW_BYTES - at;
  if (first > frame->length) first = frame->length;
  memcpy(in->ring + at, frame->body, first);
  memcpy(in->ring, frame->body + first, frame->length - first);
  in->received += frame->length;
  if ((frame->flags & FLAG_EOF) != 0 && !e->pty) in->eof = true;
  input_write(e);
  return true;
}

void input_write(struct exec *e) {
  struct input *in = &e->in;
  while (in->fd >= 0 && in->taken < in->received) {
    uint32_t at = (uint32_t)(in->taken % STDIN_WINDOW_BYTES), bytes = (uint32_t)(in->received - in->taken);
    uint32_t first = STDIN_WINDOW_BYTES - at < bytes ? STDIN_WINDOW_BYTES - at : bytes;
    struct iovec parts[2] = {{in->ring + at, first}, {in->ring, bytes - first}};
    ssize_t put = writev(in->fd, parts, bytes > first ? 2 : 1);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put <= 0) {
      reader_is_gone(e);
      return;
    }
    in->taken += (uint64_t)put;
    in->dirty = true;
  }
  if (in->fd >= 0 && in->eof && in->taken == in->received) input_close(e);
}

void input_watch(struct exec *e, void (*handler)(void *, short)) {
  /* Without an event asked for, poll still says POLLERR when the last reader of the pipe is gone. A PTY's hang-up is
   * seen on its output. */
  short events = e->in.taken < e->in.received ? POLLOUT : 0;
  if (e->in.fd >= 0 && (events != 0 || !e->pty)) loop_watch(e->in.fd, events, handler, e);
}
