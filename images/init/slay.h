/* Ending whole trees of processes: a first signal, a grace period, then SIGKILL until nothing is left. */
#ifndef CLOISTER_SLAY_H
#define CLOISTER_SLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "exec.h"

/* Ends the tree of an exec. The first reason stays; a second call can only make it quicker. */
void slay(struct exec *e, uint8_t reason, uint8_t signal, uint32_t grace_ms);
/* Kills what was reparented to PID 1 and belongs to no living supervisor. */
void slay_strays(void);
bool slay_has_strays(void);
bool slay_is_killing(void); /* some tree is sent SIGKILL now */
/* Kills the tree with the most processes, unless one is being killed or none is large. */
void slay_largest(void);
uint32_t slay_count(const struct exec *e); /* living descendants now */
void slay_signal_tree(const struct exec *e, int signal);
uint64_t slay_due(void);
void slay_tick(void);

#endif
