#define _GNU_SOURCE
#include "file-reply.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"

enum {
  DATA_FRAME = HEADER_BYTES + MAX_DATA,
  END_FRAME = HEADER_BYTES + 8 + MAX_END_EXTRA,
  BUFFER_BYTES = 4 * DATA_FRAME
};

static uint8_t buffer[BUFFER_BYTES];
static size_t head;
static size_t tail;

static void compact(void) {
  if (head == 0) return;
  memmove(buffer, buffer + head, tail - head);
  tail -= head;
  head = 0;
}

bool reply_has_room(void) {
  if (BUFFER_BYTES - tail >= DATA_FRAME + END_FRAME) return true;
  if (BUFFER_BYTES - (tail - head) < DATA_FRAME + END_FRAME) return false;
  compact();
  return true;
}

bool reply_is_pending(void) { return tail > head; }

uint8_t *reply_data(void) { return buffer + tail + HEADER_BYTES; }

void reply_data_commit(uint32_t id, size_t length) {
  put_header(buffer + tail, FRAME_FILE_DATA_UP, 0, id, (uint32_t)length);
  tail += HEADER_BYTES + length;
}

void reply_end(uint32_t id, int error, int what, const uint8_t *extra, size_t length) {
  if (length > MAX_END_EXTRA) length = MAX_END_EXTRA;
  uint8_t *at = buffer + tail;
  put_header(at, FRAME_FILE_END, 0, id, (uint32_t)(8 + length));
  put_u32(at + 12, (uint32_t)error);
  put_u16(at + 16, (uint16_t)what);
  put_u16(at + 18, 0);
  if (length > 0) memcpy(at + 20, extra, length);
  tail += HEADER_BYTES + 8 + length;
}

void reply_credit(uint32_t id, uint64_t offset) {
  put_header(buffer + tail, FRAME_FILE_CREDIT_UP, 0, id, 8);
  put_u64(buffer + tail + HEADER_BYTES, offset);
  tail += HEADER_BYTES + 8;
}

int reply_flush(int socket_fd) {
  while (head < tail) {
    ssize_t sent = send(socket_fd, buffer + head, tail - head, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN ? 0 : -errno;
    head += (size_t)sent;
  }
  head = 0;
  tail = 0;
  return 0;
}

static uint8_t kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    default: return 'f';
  }
}

void put_stat(uint8_t out[STAT_BYTES], const struct stat *st) {
  memset(out, 0, STAT_BYTES);
  out[0] = kind_of(st->st_mode);
  put_u32(out + 4, st->st_mode & 07777);
  put_u64(out + 8, (uint64_t)st->st_size);
  uint64_t seconds = (uint64_t)st->st_mtim.tv_sec;
  put_u64(out + 16, seconds * 1000000000u + (uint64_t)st->st_mtim.tv_nsec);
  put_u64(out + 24, (uint64_t)st->st_ino);
  put_u32(out + 32, (uint32_t)st->st_nlink);
  put_u32(out + 36, (uint32_t)st->st_uid);
}
