/* The floor: for every byte read from a unix socket, vfork, exec /bin/true, wait, and one byte back. Nothing else. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <unistd.h>

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

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]) >= (int)sizeof address.sun_path) return 2;
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0) return 3;
  if (chmod(argv[1], 0777) != 0 || listen(listener, 8) != 0) return 3;
  for (;;) {
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) return 4;
    unsigned char byte;
    while (read(connection, &byte, 1) == 1) {
      byte = (unsigned char)run_true();
      if (write(connection, &byte, 1) != 1) break;
    }
    close(connection);
  }
}
