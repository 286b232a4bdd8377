/* Streams from the daemon to listeners on the sandbox's loopback. */
#ifndef CLOISTER_DIAL_H
#define CLOISTER_DIAL_H

#include <stdbool.h>

#include "frame.h"

bool dial_open(void);
/* DIAL, DIAL_DATA, DIAL_CREDIT, DIAL_CLOSE; false: a violation. Every DIAL ends with exactly one of DIALED with an
 * error or DIAL_CLOSED; after DIAL_CLOSE that is ECANCELED. */
bool dial_frame(const struct frame *frame);
void dial_disconnected(void);
void dial_watch(void);
void dial_pump(void);

#endif
