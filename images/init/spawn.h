/* From a START to a running supervisor. */
#ifndef CLOISTER_SPAWN_H
#define CLOISTER_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "exec.h"

struct pages { /* the mapping that holds a START */
  uint8_t *memory;
  size_t bytes;
};

/* Opens what every fork needs. Before PID 1 gives up being dumpable. */
bool spawn_open(void);
/* 0, or an errno with e->stage set and nothing left open. */
int spawn(struct exec *e, const uint8_t *body, struct pages pages);
/* Supervisors inherit what their descendants leave; false: PID 1 does. */
bool spawn_adopts(void);
/* The leader's pid, also when its supervisor was killed before it could tell; 0: there was none. */
pid_t spawn_leader(const struct exec *e);

#endif
