/* What the daemon is told about execs, made from their state whenever there is room: nothing is queued. */
#ifndef CLOISTER_TELLING_H
#define CLOISTER_TELLING_H

void telling_status(void);       /* STATUS, after WELCOME */
void telling_pump(void);         /* as far as the outbox takes it */
void telling_disconnected(void); /* what was sent and not acknowledged is to be told again */

#endif
