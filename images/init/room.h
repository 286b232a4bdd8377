/* STARTs that met the process limit: they wait a little while room is made for them. */
#ifndef CLOISTER_ROOM_H
#define CLOISTER_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "exec.h"
#include "spawn.h"

/* Keeps the START in the ring its output will use, which is empty until it runs. */
void room_keep(struct exec *e, const uint8_t *body, uint32_t bytes);
bool room_wait(struct exec *e); /* false: it has waited long enough, or can't */
static inline bool room_is_waiting(const struct exec *e) { return e->attempts > 0 && !e->started && !e->ended && e->report < 0; }
int room_retry(struct exec *e); /* as spawn() */

#endif
