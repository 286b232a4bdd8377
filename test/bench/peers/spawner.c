/* The floor: for every byte read from a unix socket, vfork, exec /bin/true, wait, and one byte back. Nothing else. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 9 };

static int run_true(void) {
  static char *const argv[] = {"/bin/true", NULL};
  static char *const envp[] = {NULL};
  int status = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    execve(argv[0], argv, envp);
    _exit(127);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int serve(int connection) {
  unsigned char byte;
  if (read(connection, &byte, 1) != 1) return -1;
  byte = (unsigned char)run_true();
  return write(connection, &byte, 1) == 1 ? 0 : -1;
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct pollfd slots[SLOTS];
  if (argc != 2 || snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]) >= (int)sizeof address.sun_path) return 2;
  for (int slot = 0; slot < SLOTS; slot += 1) slots[slot] = (struct pollfd){.fd = -1, .events = POLLIN};
  slots[0].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (slots[0].fd < 0 || bind(slots[0].fd, (struct sockaddr *)&address, sizeof address) != 0) return 3;
  if (chmod(argv[1], 0777) != 0 || listen(slots[0].fd, SLOTS) != 0) return 3;
  for (;;) {
    if (poll(slots, SLOTS, -1) < 0) return 4;
    for (int slot = 1; slot < SLOTS; slot += 1) {
      if (slots[slot].fd < 0 || slots[slot].revents == 0 || serve(slots[slot].fd) == 0) continue;
      close(slots[slot].fd);
      slots[slot].fd = -1;
    }
    if ((slots[0].revents & POLLIN) == 0) continue;
    int connection = accept4(slots[0].fd, NULL, NULL, SOCK_CLOEXEC);
    int slot = 1;
    while (slot < SLOTS && slots[slot].fd >= 0) slot += 1;
    if (connection >= 0 && slot == SLOTS) close(connection);
    else if (connection >= 0) slots[slot].fd = connection;
    slots[slot % SLOTS].revents = 0;
  }
}
