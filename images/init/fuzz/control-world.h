/* The world around PID 1 while it is fuzzed: commands, servers and the file worker, without any of them. */
#ifndef CLOISTER_CONTROL_WORLD_H
#define CLOISTER_CONTROL_WORLD_H

#include <stdint.h>

uint32_t world_random(void); /* of control-fuzz.c, from the input */
void world_begin(void);
void world_moves(void); /* a few things happen */
void world_end(void);   /* every command ends, everything is closed */

#endif
