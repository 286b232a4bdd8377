/* Signals and dead children of PID 1. */
#ifndef CLOISTER_REAP_H
#define CLOISTER_REAP_H

#include <stdbool.h>

bool reap_open(void);
void reap_watch(void);
void reap_children(void);

#endif
