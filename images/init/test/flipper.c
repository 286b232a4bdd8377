/* Exchanges two names of a directory without pause until it is killed: for tests. flipper DIR A B */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXCHANGE = 2 };

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  int dir = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return 65;
  for (;;) {
    /* A name that a test has just replaced may be missing for a moment. */
    if (syscall(SYS_renameat2, dir, argv[2], dir, argv[3], EXCHANGE) < 0) usleep(10);
  }
}
