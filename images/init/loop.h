/* The poll loop: one set of descriptors and one nearest deadline per turn, filled anew by the modules. */
#ifndef CLOISTER_LOOP_H
#define CLOISTER_LOOP_H

#include <stdint.h>

typedef void (*loop_handler)(void *owner, short events);

void loop_watch(int fd, short events, loop_handler handler, void *owner);
void loop_wake(uint64_t at_us);
/* Waits for the set and calls the handlers of what is ready. An owner must outlive the turn. */
void loop_turn(void);

#endif
