/* stdin of an exec: bytes the daemon sent that the command has not taken. */
#ifndef CLOISTER_INPUT_H
#define CLOISTER_INPUT_H

#include "exec.h"

bool input_accept(struct exec *e, const struct frame *frame); /* false: beyond the window */
void input_watch(struct exec *e, void (*handler)(void *, short));
void input_write(struct exec *e); /* as much as the command takes now */
void input_close(struct exec *e);

#endif
