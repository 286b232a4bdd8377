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

bool output_has_room(const struct output *o) { return o->end - o->credited < WINDOW_BYTES; }

void source_close(struct source *s) {
  if (s->fd >= 0 && close(s->fd) != 0) say("cannot close output", errno);
  s->fd = -1;
  s->settled = true;
}

static bool tag_at(const struct output *o, uint32_t at) { return (o->tags[at / 8] >> (at % 8) & 1) != 0; }

/* Says whose the bytes from `at` are; they do not wrap around. */
static void tag(struct output *o, uint32_t at, uint32_t bytes, bool is_stderr) {
  for (; bytes > 0; at++, bytes--) {
    if (at % 8 == 0 && bytes >= 8) {
      memset(o->tags + at / 8, is_stderr ? 0xff : 0, bytes / 8);
      at += bytes / 8 * 8;
      bytes %= 8;
      if (bytes == 0) return;
    }
    uint8_t bit = (uint8_t)(1u << (at % 8));
    o->tags[at / 8] = (uint8_t)(is_stderr ? o->tags[at / 8] | bit : o->tags[at / 8] & ~bit);
  }
}

/* How many of the `bytes` from `at` are of one stream with the first. */
static uint32_t run(const struct output *o, uint32_t at, uint32_t bytes) {
  if (o->stderr_bytes == 0) return bytes;
  bool first = tag_at(o, at);
  uint64_t whole = first ? UINT64_MAX : 0;
  uint32_t end = at + bytes, from = at;
  while (at < end && tag_at(o, at) == first) {
    if (at % 64 == 0 && end - at >= 64 && memcmp(o->tags + at / 8, &whole, sizeof whole) == 0) at += 64;
    else at++;
  }
  return at - from;
}

static void append(struct output *o, uint32_t bytes, bool is_stderr) {
  /* Fresh memory says stdout. */
  if (is_stderr || o->stderr_bytes > 0) tag(o, (uint32_t)(o->end % WINDOW_BYTES), bytes, is_stderr);
  o->end += bytes;
  if (is_stderr) o->stderr_bytes += bytes;
}

/* One read into the ring; false: there is nothing more to read. */
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

bool output_credit(struct output *o, uint64_t offset, bool rewind) {
  if (offset > (rewind ? o->end : o->sent)) return false;
  if (offset > o->credited) o->credited = offset;
  /* What was credited once is gone; the frame's offset says so. */
  if (rewind) o->sent = o->credited;
  return true;
}

bool output_pump(struct exec *e) {
  struct output *o = &e->output;
  if (o->sent == o->end) return false;
  uint32_t at = (uint32_t)(o->sent % WINDOW_BYTES);
  uint32_t bytes = o->end - o->sent > OUTPUT_DATA ? OUTPUT_DATA : (uint32_t)(o->end - o->sent);
  if (bytes > WINDOW_BYTES - at) bytes = WINDOW_BYTES - at;
  bytes = run(o, at, bytes);
  if (!outbox_takes_bulk(8 + bytes)) return false;
  uint8_t *body = outbox_put(FRAME_OUTPUT, tag_at(o, at) ? FLAG_STDERR : 0, e->id, 8 + bytes);
  put_u64(body, o->sent);
  memcpy(body + 8, o->ring + at, bytes);
  o->sent += bytes;
  return true;
}
