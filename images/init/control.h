/* The connection to the daemon: made, kept, made again. */
#ifndef CLOISTER_CONTROL_H
#define CLOISTER_CONTROL_H

#include <stdbool.h>

#include "spawn.h"

bool control_open(void);          /* reads the nonce; false: there is none */
bool control_is_up(void);         /* between WELCOME and the end of a connection */
struct pages control_pages(void); /* the mapping that frames are parsed in */
void control_tick(void);
void control_watch(void);

#endif
