/* cloister-init: PID 1 of a sandbox. Puts the modules in order and runs the loop. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connect.h"
#include "control.h"
#include "courier.h"
#include "descriptors.h"
#include "dial.h"
#include "exec.h"
#include "helper.h"
#include "loop.h"
#include "outbox.h"
#include "reap.h"
#include "relay.h"
#include "say.h"
#include "spawn.h"
#include "tree.h"

enum { EXIT_USAGE = 2, EXIT_BROKEN = 1 };

static int refuse(const char *what, int error) {
  say(what, error);
  return EXIT_BROKEN;
}

static int run(void) {
  /* Open before /proc/self is closed to our own uid; no tenant code runs yet. */
  if (!spawn_open()) return refuse("cannot map memory", errno);
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return refuse("cannot become non-dumpable", errno);
  umask(022);
  /* HOME of every command; /tmp is the sandbox's own and empty. Without it they still run. */
  if (mkdir("/tmp/home", 0700) != 0 && errno != EEXIST) say("cannot make /tmp/home", errno);
  if (chdir("/") != 0) return refuse("cannot change to /", errno);
  if (!reap_open()) return refuse("cannot take signals", errno);
  int workspace = open("/workspace", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (workspace < 0) return refuse("cannot open /workspace", errno);
  int listener = relay_listen();
  if (listener < 0) say("cannot listen on port 3128; there is no egress", errno);
  if (!outbox_open() || !exec_open() || !dial_open() || !courier_open()) return refuse("cannot map memory", errno);
  if (!tree_open()) return refuse("cannot open /proc", errno);
  if (!control_open()) return EXIT_BROKEN;
  helper_open(workspace, listener);
  for (;;) {
    exec_tick();
    helper_tick();
    control_tick();
    reap_watch();
    control_watch();
    exec_watch();
    courier_watch();
    dial_watch();
    loop_turn();
  }
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "connect") == 0) return connect_main(argv[2], argv[3]);
  if (argc != 1 || getpid() != 1) {
    say("runs as PID 1 of a sandbox, or as: cloister-init connect HOST PORT", 0);
    return EXIT_USAGE;
  }
  open_standard_descriptors();
  close_from(STDERR_FILENO + 1);
  return run();
}
