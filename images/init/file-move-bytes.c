#define _GNU_SOURCE
#include "file-move-bytes.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REFLINK = 0, IN_KERNEL = 1, BY_HAND = 2, KERNEL_PORTION = 512 * 1024, PORTION = 64 * 1024 };

#define REFLINK_REQUEST _IOW(0x94, 9, int) /* FICLONE, which not every libc's headers have */

static uint8_t scratch[PORTION];

static bool is_unsupported(int error) {
  return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EPERM;
}

static int write_all(int to, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t size = write(to, bytes, length);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size < 0 ? -errno : -EIO;
    bytes += size;
    length -= (size_t)size;
  }
  return 0;
}

static int64_t by_hand(int from, int to, uint64_t left) {
  size_t want = left < PORTION ? (size_t)left : PORTION;
  ssize_t size;
  do size = read(from, scratch, want);
  while (size < 0 && errno == EINTR);
  if (size < 0) return -errno;
  int error = write_all(to, scratch, (size_t)size);
  if (error < 0) return error;
  return size == 0 ? 0 : (int64_t)(left - (uint64_t)size);
}

int64_t move_bytes(int from, int to, uint64_t left, uint32_t *method) {
  if (left == 0) return 0;
  if (*method == REFLINK) {
    if (ioctl(to, REFLINK_REQUEST, from) == 0) return 0;
    *method = IN_KERNEL;
  }
  if (*method == IN_KERNEL) {
    ssize_t size;
    do size = copy_file_range(from, NULL, to, NULL, left < KERNEL_PORTION ? (size_t)left : KERNEL_PORTION, 0);
    while (size < 0 && errno == EINTR);
    if (size > 0) return (int64_t)(left - (uint64_t)size);
    if (size < 0 && !is_unsupported(errno)) return -errno;
    *method = BY_HAND; /* also after 0: some file systems say so of a file that has bytes */
  }
  return by_hand(from, to, left);
}
