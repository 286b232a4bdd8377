/* Owns the terminal ioctls. */
#define _GNU_SOURCE
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

int pty_resize(int master, uint16_t columns, uint16_t rows) {
  struct winsize size = {.ws_col = columns, .ws_row = rows};
  return ioctl(master, TIOCSWINSZ, &size) == 0 ? 0 : errno;
}

static void pts_path(char path[32], unsigned number) {
  char digits[10];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  char *at = stpcpy(path, "/dev/pts/");
  while (count > 0) *at++ = digits[--count];
  *at = '\0';
}

static int open_slave(int master) {
  int flags = O_RDWR | O_NOCTTY | O_CLOEXEC, number = 0;
  int fd = ioctl(master, TIOCGPTPEER, flags);
  if (fd >= 0) return fd;
  /* A runtime without that call, or a devpts mounted elsewhere: by name. */
  char path[32];
  if (ioctl(master, TIOCGPTN, &number) != 0) return -1;
  pts_path(path, (unsigned)number);
  return open(path, flags);
}

int pty_open(uint16_t columns, uint16_t rows, int *master, int *slave) {
  int unlocked = 0, error;
  *slave = -1;
  *master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (*master < 0) return errno;
  if (ioctl(*master, TIOCSPTLCK, &unlocked) == 0 && (*slave = open_slave(*master)) >= 0 &&
      (error = pty_resize(*master, columns, rows)) == 0)
    return 0;
  error = errno != 0 ? errno : EIO;
  if (*slave >= 0) close(*slave);
  close(*master);
  *master = *slave = -1;
  return error;
}
