/* Owns the output ring and what is read into it. A full ring stops its own command and nothing else. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "outbox.h"
#include "say.h"

enum { READ_BYTES = MAX_DATA, READS_A_TURN = 4, LARGE_PIPE_BYTES = 1024 * 1024 };

bool output_has_room(const struct output *o) {
  return o->end - o->credited < WINDOW_BYTES && o->count < MAX_SEGMENTS;
}

void source_close(struct source *s) {
  if (s->fd >= 0 && close(s->fd) != 0) say("cannot close output", errno);
  s->fd = -1;
  s->settled = true;
}

static uint32_t *segment(struct output *o, uint32_t index) { return &o->lengths[(o->first + index) % MAX_SEGMENTS]; }

static void append(struct output *o, uint32_t bytes, bool is_stderr) {
  if (o->count > 0 && (*segment(o, o->count - 1) & 1) == (is_stderr ? 1u : 0u)) {
    *segment(o, o->count - 1) += bytes << 1;
  } else {
    if (o->count == 0) {
      o->first_start = o->cursor_start = o->end;
      o->cursor = 0;
    }
    *segment(o, o->count++) = bytes << 1 | (is_stderr ? 1u : 0u);
  }
  o->end += bytes;
  if (is_stderr) o->stderr_bytes += bytes;
}

/* One read into the ring; false: nothing more for now. */
static bool read_once(struct exec *e, struct source *s, bool is_stderr) {
  struct output *o = &e->output;
  uint32_t at = (uint32_t)(o->end % WINDOW_BYTES);
  uint32_t room = WINDOW_BYTES - (uint32_t)(o->end - o->credited);
  if (room > WINDOW_BYTES - at) room = WINDOW_BYTES - at;
  if (room > READ_BYTES) room = READ_BYTES;
  ssize_t got = read(s->fd, o->ring + at, room);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN) {
    s->settled = e->ended;
    return false;
  }
  if (got <= 0) { /* EIO is a PTY's end of file */
    source_close(s);
    return false;
  }
  append(o, (uint32_t)got, is_stderr);
  s->owed -= got;
  if (e->ended && s->owed <= 0) s->settled = true;
  e->idle_from = limit_us();
  if (got == READ_BYTES && !s->enlarged) {
    s->enlarged = true;
    /* Refused past the user's pipe quota: then the pipe stays as it is. */
    (void)fcntl(s->fd, F_SETPIPE_SZ, LARGE_PIPE_BYTES);
  }
  return (uint32_t)got == room;
}

void output_read(struct exec *e, struct source *s, bool is_stderr) {
  for (int i = 0; i < READS_A_TURN && s->fd >= 0 && output_has_room(&e->output); i++)
    if (!read_once(e, s, is_stderr)) return;
}

void output_discard(struct source *s) {
  static uint8_t scratch[16 * 1024];
  if (s->fd < 0) return;
  ssize_t got = read(s->fd, scratch, sizeof scratch);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  source_close(s);
}

static void forget(struct output *o) {
  while (o->count > 0) {
    uint32_t bytes = *segment(o, 0) >> 1;
    if (o->first_start + bytes > o->credited) return;
    o->first = (o->first + 1) % MAX_SEGMENTS;
    o->first_start += bytes;
    o->count--;
    if (o->cursor > 0) o->cursor--;
    else o->cursor_start = o->first_start;
  }
}

void output_rewind(struct output *o, uint64_t offset) {
  o->sent = offset < o->credited ? o->credited : offset;
  o->cursor = 0;
  o->cursor_start = o->first_start;
}

bool output_credit(struct output *o, uint64_t offset, bool rewind) {
  if (offset > (rewind ? o->end : o->sent)) return false;
  if (offset > o->credited) o->credited = offset;
  forget(o);
  if (rewind) output_rewind(o, offset);
  return true;
}

bool output_pump(struct exec *e) {
  struct output *o = &e->output;
  if (o->sent == o->end) return false;
  while (o->cursor_start + (*segment(o, o->cursor) >> 1) <= o->sent) o->cursor_start += *segment(o, o->cursor++) >> 1;
  uint64_t left = o->cursor_start + (*segment(o, o->cursor) >> 1) - o->sent;
  uint32_t bytes = left > MAX_DATA ? MAX_DATA : (uint32_t)left;
  if (!outbox_takes_bulk(8 + bytes)) return false;
  bool is_stderr = (*segment(o, o->cursor) & 1) != 0;
  uint8_t *body = outbox_put(FRAME_OUTPUT, is_stderr ? FLAG_STDERR : 0, e->id, 8 + bytes);
  put_u64(body, o->sent);
  uint32_t at = (uint32_t)(o->sent % WINDOW_BYTES), first = WINDOW_BYTES - at;
  if (first > bytes) first = bytes;
  memcpy(body + 8, o->ring + at, first);
  memcpy(body + 8 + first, o->ring, bytes - first);
  o->sent += bytes;
  return true;
}
