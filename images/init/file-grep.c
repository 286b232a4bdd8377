#define _GNU_SOURCE
#include "file-grep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"

void grep_open(struct grep *grep, uint8_t *buffer) {
  grep->buffer = buffer;
  grep->fd = -1;
}

void grep_close(struct grep *grep) {
  if (grep->fd >= 0) close(grep->fd);
  grep->fd = -1;
}

int grep_begin_open(struct grep *grep, int fd) {
  struct stat st;
  int error = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -ENXIO;
  if (error < 0) {
    close(fd);
    return error;
  }
  grep->fd = fd;
  grep->left = (uint64_t)st.st_size;
  grep->file_matches = 0;
  grep->has_header = false;
  grep->have = grep->whole = grep->at = grep->scan_end = grep->told = grep->counted = 0;
  grep->pending[0].at = grep->pending[0].end = grep->pending[1].at = grep->pending[1].end = grep->match_end = 0;
  grep->after_left = 0;
  grep->line = 1;
  grep->totals.files++;
  return 0;
}

int grep_begin(struct grep *grep, int dir, const char *name) {
  /* Safe because: the entry was a regular file when the directory was read. What the tenant puts in its place at this
   * moment is opened without waiting for anyone, is not followed, and is not read unless it is a regular file. */
  int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -errno : grep_begin_open(grep, fd);
}

/* After the newline at or after `at`, or `end`. */
static size_t line_end(const struct grep *grep, size_t at, size_t end) {
  const uint8_t *newline = at < end ? memchr(grep->buffer + at, '\n', end - at) : NULL;
  return newline == NULL ? end : (size_t)(newline - grep->buffer) + 1;
}

static size_t line_start(const struct grep *grep, size_t at, size_t floor) {
  const uint8_t *newline = at > floor ? memrchr(grep->buffer + floor, '\n', at - floor) : NULL;
  return newline == NULL ? floor : (size_t)(newline - grep->buffer) + 1;
}

static size_t lines_back(const struct grep *grep, size_t at, uint32_t lines, size_t floor) {
  for (; lines > 0 && at > floor; lines--) at = line_start(grep, at - 1, floor);
  return at;
}

static uint64_t number_of(struct grep *grep, size_t at) {
  while (grep->counted < at) {
    size_t next = line_end(grep, grep->counted, at);
    if (grep->buffer[next - 1] == '\n') grep->line++;
    grep->counted = next;
  }
  return grep->line;
}

/* The lines after the last match that are still to be told, as far as `end`. */
static void tell_after(struct grep *grep, size_t end) {
  grep->pending[0].at = grep->told;
  while (grep->after_left > 0 && grep->told < end) {
    grep->told = line_end(grep, grep->told, end);
    grep->after_left--;
  }
  grep->pending[0].end = grep->told;
}

static void tell_match(struct grep *grep, size_t at) {
  size_t start = line_start(grep, at, grep->told);
  size_t end = line_end(grep, at, grep->whole);
  tell_after(grep, start);
  grep->pending[1].at = lines_back(grep, start, grep->before, grep->told);
  grep->pending[1].end = end;
  grep->match_at = start;
  grep->match_end = end;
  grep->told = end;
  grep->after_left = grep->after;
  grep->at = end;
  grep->scan_end = 0;
  grep->file_matches++;
  grep->totals.matches++;
}

static bool put(struct output *out, uint8_t kind, bool is_cut, uint64_t line, size_t whole, const void *text, size_t bytes) {
  if (out->room - out->used < GREP_RECORD + bytes) return false;
  uint8_t *at = out->bytes + out->used;
  at[0] = kind;
  at[1] = is_cut ? 1 : 0;
  put_u16(at + 2, (uint16_t)bytes);
  put_u32(at + 4, line > UINT32_MAX ? UINT32_MAX : (uint32_t)line);
  put_u32(at + 8, (uint32_t)whole);
  memcpy(at + GREP_RECORD, text, bytes);
  out->used += GREP_RECORD + bytes;
  return true;
}

static bool put_path(struct grep *grep, struct output *out, const char *dir, size_t dir_length, const char *name) {
  char path[MAX_PATH_BYTES + 1];
  size_t length = dir_length;
  size_t name_length = strlen(name);
  if (grep->has_header) return true;
  memcpy(path, dir, dir_length);
  if (dir_length > 0) path[length++] = '/';
  memcpy(path + length, name, name_length);
  grep->has_header = put(out, GREP_FILE, false, 0, 0, path, length + name_length);
  return grep->has_header;
}

static bool put_line(struct grep *grep, struct output *out, size_t at, size_t end) {
  size_t whole = end - at - (grep->buffer[end - 1] == '\n');
  size_t bytes = whole;
  bool is_match = grep->match_end > 0 && at == grep->match_at;
  if (bytes > MAX_LINE_BYTES) {
    for (bytes = MAX_LINE_BYTES; bytes > 0 && (grep->buffer[at + bytes] & 0xc0) == 0x80;) bytes--;
  }
  uint64_t line = number_of(grep, at);
  if (!put(out, is_match ? GREP_MATCH : GREP_CONTEXT, bytes < whole, line, whole, grep->buffer + at, bytes)) return false;
  if (bytes < whole) grep->totals.cut++;
  return true;
}

/* 1 all is told, 0 there is no more room. */
static bool tell(struct grep *grep, struct output *out) {
  for (int i = 0; i < 2; i++) {
    while (grep->pending[i].at < grep->pending[i].end) {
      size_t end = line_end(grep, grep->pending[i].at, grep->pending[i].end);
      if (!put_line(grep, out, grep->pending[i].at, end)) return false;
      grep->pending[i].at = end;
    }
  }
  grep->match_end = 0;
  return true;
}

static void forget_front(struct grep *grep) {
  size_t floor = grep->whole > GREP_BUFFER_BYTES / 2 ? grep->whole - GREP_BUFFER_BYTES / 2 : 0;
  size_t from = lines_back(grep, grep->whole, grep->before, grep->told > floor ? grep->told : floor);
  (void)number_of(grep, from);
  memmove(grep->buffer, grep->buffer + from, grep->have - from);
  grep->have -= from;
  grep->at = grep->whole = grep->whole - from;
  grep->told = grep->told > from ? grep->told - from : 0;
  grep->counted -= from;
}

/* 1 there is more, 0 the file is over, or a negative errno. */
static int refill(struct grep *grep) {
  if (grep->left == 0) return 0;
  forget_front(grep);
  size_t room = GREP_BUFFER_BYTES - grep->have;
  ssize_t size;
  do size = read(grep->fd, grep->buffer + grep->have, room);
  while (size < 0 && errno == EINTR);
  if (size < 0) return -errno;
  if (memchr(grep->buffer + grep->have, '\0', (size_t)size) != NULL) {
    grep->totals.binary++;
    return 0;
  }
  grep->have += (size_t)size;
  grep->left = size == 0 || (uint64_t)size >= grep->left ? 0 : grep->left - (uint64_t)size;
  grep->whole = line_start(grep, grep->have, grep->at);
  if (grep->left == 0) {
    grep->whole = grep->have;
  } else if (grep->whole == grep->at && grep->have == GREP_BUFFER_BYTES) {
    grep->whole = grep->have; /* a line longer than the buffer is searched in parts */
    grep->totals.cut++;
  }
  return 1;
}

/* Looks on from `at`: true with a match to be told, or with what there is to be gone on with later. */
static bool search(struct grep *grep) {
  struct regex *regex = &grep->regex;
  if (grep->scan_end == 0) {
    size_t found = regex_find_literal(regex, grep->buffer, grep->at, grep->whole);
    if (found == grep->whole) {
      grep->at = grep->whole;
      return false;
    }
    if ((regex->flags & REGEX_LITERAL) != 0) {
      tell_match(grep, found);
      return true;
    }
    grep->state = 0;
    grep->at = line_start(grep, found, grep->at);
    grep->scan_end = regex->literal_bytes > 0 ? line_end(grep, found, grep->whole) : grep->whole;
  }
  /* The newline at the end is the line's, and of one line only what stands before it is asked. */
  bool has_newline = grep->buffer[grep->scan_end - 1] == '\n';
  bool is_line = regex->literal_bytes > 0;
  size_t end = grep->scan_end - (is_line && has_newline);
  size_t at = grep->at;
  regex->work = 0;
  int found = regex_scan(regex, &grep->state, grep->buffer, &at, end);
  if (found == SCAN_NONE && (is_line || !has_newline) && regex_ends(regex, grep->state)) found = SCAN_MATCH;
  if (found == SCAN_MATCH) {
    tell_match(grep, at);
    return true;
  }
  grep->at = at;
  if (found == SCAN_PAUSE) return true;
  grep->at = grep->scan_end;
  grep->scan_end = 0;
  return grep->at < grep->whole;
}

enum grep_progress grep_go(struct grep *grep, struct output *out, const char *dir, size_t dir_length, const char *name) {
  bool is_telling = grep->pending[0].at < grep->pending[0].end || grep->pending[1].at < grep->pending[1].end;
  if (is_telling && (!put_path(grep, out, dir, dir_length, name) || !tell(grep, out))) return GREP_FULL;
  bool is_enough = grep->max_matches > 0 && grep->totals.matches >= grep->max_matches;
  bool is_enough_here = grep->max_per_file > 0 && grep->file_matches >= grep->max_per_file;
  if (is_enough || is_enough_here) {
    /* What follows the last one is its context, as far as it is at hand. */
    if (grep->after_left > 0 && grep->told < grep->whole) {
      tell_after(grep, grep->whole);
      grep->after_left = 0;
      return GREP_MORE;
    }
    grep->is_cut_short = grep->is_cut_short || is_enough_here;
    return is_enough ? GREP_ENOUGH : GREP_DONE;
  }
  if (grep->at < grep->whole && search(grep)) return GREP_MORE;
  if (grep->after_left > 0 && grep->told < grep->whole) {
    tell_after(grep, grep->whole);
    return GREP_MORE;
  }
  int more = refill(grep);
  if (more < 0) return GREP_DONE;
  return more > 0 ? GREP_MORE : GREP_DONE;
}
