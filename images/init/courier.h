/* Carries file frames between the daemon and the file worker. Ids are the only thing it looks at: the worker gets
 * numbers of its own, so that requests of an earlier connection can't answer for those of a later one. */
#ifndef CLOISTER_COURIER_H
#define CLOISTER_COURIER_H

#include <stdbool.h>

#include "frame.h"

bool courier_open(void);
void courier_attach(int worker_fd); /* a new worker; PID 1's end of its socket */
void courier_detach(void);          /* it is gone: what it was asked is answered with EIO */
bool courier_frame(const struct frame *frame); /* FILE, FILE_DATA, FILE_CREDIT, FILE_CANCEL; false: a violation */
void courier_disconnected(void);    /* cancels what the connection that is gone had asked for */
void courier_watch(void);
void courier_pump(void);

#endif
