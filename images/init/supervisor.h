/* The supervisor of one command: subreaper of all its descendants, parent of its leader. */
#ifndef CLOISTER_SUPERVISOR_H
#define CLOISTER_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The body of a START that was checked: struct start, cwd, argv, env. */
struct launch {
  const uint8_t *body;
  uint8_t *pages; /* the mapping that holds it, which the supervisor gives back */
  size_t page_bytes;
  int in, out, err; /* the command's 0, 1, 2; with a PTY all its slave */
  int report;       /* pipe to PID 1 */
  pid_t *leader;    /* shared with PID 1: written by the leader before any code of the tenant runs */
};

/* Runs in the forked child; never returns. */
_Noreturn void supervisor_main(const struct launch *launch);

/* Becomes the command; never returns. Writes struct record (RECORD_FAILED) to `status` if it cannot. */
_Noreturn void leader_main(const struct launch *launch, int status);

#endif
