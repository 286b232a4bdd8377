/* A pseudo-terminal of the sandbox's own devpts. */
#ifndef CLOISTER_PTY_H
#define CLOISTER_PTY_H

#include <stdint.h>

/* 0, or the errno of what failed. Neither end becomes the terminal of PID 1. */
int pty_open(uint16_t columns, uint16_t rows, int *master, int *slave);
int pty_resize(int master, uint16_t columns, uint16_t rows);

#endif
